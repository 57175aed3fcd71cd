"""Drives the demo's page in headless Chromium as a person would, and compares what it shows with the server's books.

usage: check.py PROGRAM CHROMIUM OUT_DIR JUNIT      (PROGRAM is unspool-demo; pictures go to OUT_DIR)
"""

import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from xml.sax.saxutils import quoteattr

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from world import PATIENCE, Demo, Phone, until

SWIPES = 15
OFFLINE_SWIPES = 5
CLIPS = "12"
ROUNDS = 10


# Axe takes a colour that is still fading in for the one that is meant: everything is at its end at once.
STILL = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("*, *::before, *::after { transition: none !important; animation-duration: .01ms !important }");
    document.adoptedStyleSheets = [sheet];
}"""
STANDS_STILL = "[...document.querySelectorAll('video')].every(video => video.paused)"
MOVING = "document.adoptedStyleSheets = []"


class Check:
    def __init__(self, demo: Demo, phone: Phone, browser, pictures: Path):
        self.demo, self.phone, self.page, self.browser = demo, phone, phone.page, browser
        self.pictures = pictures
        self.report, self.tape = pictures / "report.html", pictures / "session.tape"

    def picture(self, name: str):
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=name == "inspector")

    def accessible(self, where: str):
        """Axe finds nothing serious."""
        self.page.evaluate(STILL)
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        self.page.evaluate(MOVING)
        bad = [
            f"{one['id']}: {one['help']} ({one['nodes'][0]['target']})"
            for one in found if one["impact"] in ("serious", "critical")
        ]
        assert not bad, f"{where}: {bad}"

    # --- The steps, in order ---

    def strangers_are_refused(self):
        for address, host, status in [
            (self.demo.address.rsplit("/", 2)[0] + "/0123456789abcdef0123456789abcdef/", None, 404),
            (self.demo.address, "rebound.example", 421),
            (self.demo.address.rsplit("/", 2)[0] + "/0123456789abcdef0123456789abcdef/picture", None, 404),
            (self.demo.address + "picture", "rebound.example", 421),
        ]:
            request = urllib.request.Request(address, headers={"Host": host} if host else {})
            try:
                urllib.request.urlopen(request, timeout=PATIENCE)
                raise AssertionError("it answered")
            except urllib.error.HTTPError as refused:
                assert refused.code == status, refused.code

    def interests_come_first(self):
        page = self.page
        page.goto(self.demo.address)
        page.get_by_role("heading", name="What do you like?").wait_for()
        self.accessible("interests")
        self.picture("interests")
        page.get_by_role("button", name="Music").press("Enter")
        page.get_by_role("button", name="Science").press("Space")
        assert page.get_by_role("button", name="Music").get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="Start with 2").press("Enter")
        self.phone.plays()
        chosen = "SELECT count(*) FROM desired WHERE verb = 'interest' AND state"
        until("both interests at the server", lambda: self.demo.store(chosen) == 2)

    def swipes_by_touch_wheel_and_keys(self):
        for number in range(SWIPES):
            self.phone.swipe(["drag", "wheel", "key"][number % 3])
            self.phone.plays()
            if number == 3:
                self.picture("phone")
        assert self.phone.position() == SWIPES + 1, self.phone.position()

    def goes_back_by_every_way(self):
        for how in ("key", "drag", "wheel"):
            self.phone.swipe(how, forward=False)
            self.phone.plays(0.1)
        for _ in range(3):
            self.phone.swipe("key")
        self.phone.plays(0.1)

    def pauses_likes_and_sounds_by_keyboard_alone(self):
        page = self.page
        paused = lambda: page.evaluate("document.querySelector('.card.here video').paused")
        page.locator("#feed").focus()
        page.keyboard.press("Space")
        until("it stands still", paused)
        page.keyboard.press("Space")
        until("it plays", lambda: not paused())
        like = page.locator(".card.here").get_by_role("button", name="Like")
        like.focus()
        page.keyboard.press("Enter")
        until("it is liked", lambda: like.get_attribute("aria-pressed") == "true")
        page.locator("#feed").focus()
        for key, name in (("f", "Follow"), ("b", "Save")):
            control = page.locator(".card.here").get_by_role("button", name=name)
            wanted = "false" if control.get_attribute("aria-pressed") == "true" else "true"
            page.keyboard.press(key)
            until(f"{name} is {wanted}", lambda: control.get_attribute("aria-pressed") == wanted)
        page.keyboard.press("m")
        sound = page.locator(".card.here").get_by_role("button", name="Sound")
        until("it sounds", lambda: sound.get_attribute("aria-pressed") == "true")
        until("the video sounds", lambda: page.evaluate("!document.querySelector('.card.here video').muted"))
        page.keyboard.press("m")
        until("it is silent", lambda: sound.get_attribute("aria-pressed") == "false")
        names = page.eval_on_selector_all(
            ".card.here button, .card.here input", "all => all.map(one => one.getAttribute('aria-label') || one.textContent)"
        )
        assert all(names) and len(names) >= 6, names

    def comments_are_sent_and_sheets_give_the_focus_back(self):
        page = self.page
        page.locator("#feed").focus()
        page.keyboard.press("c")
        page.get_by_role("dialog", name="Comments").wait_for()
        page.get_by_role("textbox", name="Your comment").fill("A fine bass line")
        page.keyboard.press("Enter")
        page.get_by_text("At the server").wait_for()
        self.accessible("comments")
        self.picture("comments")
        page.keyboard.press("Escape")
        until("the sheet is away", lambda: page.get_by_role("dialog").count() == 0)
        assert page.evaluate("document.activeElement.id") == "feed"

    def menu_says_why_and_takes_no_for_an_answer(self):
        page, phone, before = self.page, self.phone, self.phone.position()
        page.locator(".card.here").get_by_role("button", name="More").click()
        page.get_by_role("button", name="Why this video").click()
        sheet = page.get_by_role("dialog", name="Why this video")
        sheet.wait_for()
        assert sheet.locator(".because").inner_text(), "it says why"
        sheet.locator("summary").click()
        assert sheet.locator(".parameters li").count() > 20, "everything that decides is named"
        self.accessible("why")
        self.picture("why")
        page.keyboard.press("Escape")
        topics = page.locator(".card.here .tags span:not(.mark)").all_inner_texts()
        amounts = lambda: {line["about"]: line["amount"] for line in phone.figures()["learner"]["topics"]}
        known = amounts()
        page.keyboard.press("x")
        until("the next card", lambda: phone.settled() and phone.position() > before)
        phone.plays(0.1)
        lower = lambda: (now := amounts()) and any(now.get(topic, 0) < known.get(topic, 0) for topic in topics)
        until(f"less of {topics} was learnt from it", lower)
        told = lambda: self.demo.store("SELECT count(*) FROM events WHERE event_name = 'unspool.not_interested'")
        until("the server was told", told)

    def a_report_hides_at_once_and_has_a_receipt(self):
        page, phone = self.page, self.phone
        item = page.evaluate("window.phone.current().item")
        page.keyboard.press("r")
        page.get_by_role("button", name="A scam").click()
        sheet = page.get_by_role("dialog", name="Reported")
        sheet.wait_for()
        until("the server has it", lambda: "At the server" in sheet.locator("small").first.inner_text())
        assert sheet.locator("code").first.inner_text().startswith("Receipt ")
        self.accessible("the receipt")
        self.picture("receipt")
        assert self.demo.store("SELECT count(*) FROM operations WHERE verb = 'report' AND target LIKE ?", f"item:{item}#%") == 1
        page.keyboard.press("Escape")
        until("another card is there", lambda: phone.settled() and page.evaluate("window.phone.current()?.item") != item)
        phone.plays(0.1)
        # Whoever goes back does not see it either.
        phone.swipe_where_it_ends(False)
        view = page.evaluate("window.phone.current()")
        assert view["item"] != item or view["covered"], view
        phone.swipe_where_it_ends(True)
        phone.plays(0.1)

    def night(self, measure: str, hours: tuple[int, int] | None):
        """Chooses a night around now, or none, in the sheet; the hours are those of the page."""
        page = self.page
        page.get_by_role("dialog", name="Time and breaks").wait_for()
        page.get_by_label("At night").select_option(measure)
        now = page.evaluate("new Date().getHours()")
        for label, hour in zip(("Night begins", "Night ends"), hours or (-now, -now)):
            page.get_by_label(label).fill(f"{(now + hour) % 24:02d}:00")
            page.get_by_label(label).blur()

    def break_card_cannot_be_skipped(self):
        page, phone, still = self.page, self.phone, STANDS_STILL
        watched = lambda: phone.figures()["time"]["todayMs"]

        night = self.night
        page.locator("#feed").focus()
        page.keyboard.press("u")
        night("stop", (-2, 3))
        until("a break stands", lambda: page.locator(".rest").is_visible())
        self.accessible("time and breaks")
        self.picture("time")
        page.keyboard.press("Escape")
        until("nothing plays", lambda: page.evaluate(still))
        self.accessible("a break")
        self.picture("break")
        assert page.locator(".rest button.solid").is_disabled()
        here = phone.position()
        until("the core says so", lambda: phone.figures()["time"]["resting"])
        before = watched()
        box = page.locator("#feed").bounding_box()
        x, y = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.12

        def drag():
            page.mouse.move(x, y + 300)
            page.mouse.down()
            page.mouse.move(x, y + 100)
            page.mouse.move(x, y)
            page.mouse.up()

        call = """command => fetch("do", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(command) }).then(answer => answer.text())"""
        tries = {
            **{key: (lambda key=key: page.keyboard.press(key)) for key in ("ArrowDown", "ArrowUp", "j", "PageDown", "Space", "x", "ArrowRight")},
            "wheel": lambda: (page.mouse.move(x, y), page.mouse.wheel(0, 400)),
            "drag": drag,
            "tap": lambda: page.mouse.click(x, y),
            "double tap": lambda: page.mouse.dblclick(x, y),
            "go on": lambda: page.locator(".rest button.solid").dispatch_event("click"),
            **{
                command["do"]: (lambda command=command: page.evaluate(call, command))
                for command in (
                    {"do": "next"}, {"do": "previous"}, {"do": "pause", "on": False}, {"do": "seek", "ms": 1000},
                    {"do": "reveal", "position": here}, {"do": "begin", "interests": None}, {"do": "rate", "rate": 2.0},
                    {"do": "rate", "rate": 1.0},
                )
            },
        }
        page.locator("#feed").focus()
        for what, attempt in tries.items():
            attempt()
            until(f"{what} is over", phone.settled)
            assert page.locator(".rest").is_visible() and phone.position() == here, what
            assert page.evaluate(still), what
        fresh = page.evaluate("window.unspool.n")
        until("newer figures", lambda: page.evaluate("window.unspool.n") > fresh + 2)
        assert watched() == before, "nothing was rendered meanwhile"
        assert page.locator(".rest").is_visible() and page.evaluate(still)

        # Who chose the limit may change it.
        page.locator(".rest").get_by_role("button", name="Time and breaks").click()
        night("remind", None)
        page.keyboard.press("Escape")
        until("the person may go on", lambda: page.locator(".rest button.solid").is_enabled())
        page.locator(".rest button.solid").click()
        until("the break is over", lambda: not page.locator(".rest").is_visible())
        phone.plays(0.1)

        # A reminder stands in the place of one video; the next swipe passes it.
        page.keyboard.press("u")
        night("remind", (-2, 3))
        page.keyboard.press("Escape")
        here = phone.position()
        assert not phone.swipe_where_it_ends(True), "the reminder comes first"
        until("a reminder stands", lambda: page.locator(".rest").is_visible())
        until("nothing plays", lambda: page.evaluate(still))
        phone.swipe("key")
        until("the reminder is over", lambda: not page.locator(".rest").is_visible())
        assert phone.position() > here
        phone.plays(0.1)
        page.keyboard.press("u")
        night("remind", None)
        page.keyboard.press("Escape")

    def weights_are_the_persons_to_change(self):
        page, phone = self.page, self.phone
        row = page.locator(".weights li").first
        topic = row.locator(".topic").inner_text()
        row.locator("input").fill("-0.5")
        settings = lambda: {one["topic"]: one["weight"] for one in phone.figures()["learner"]["settings"]}
        until("the core holds it", lambda: settings().get(topic) == -0.5)
        until("the page shows it", lambda: page.locator(".weights .set").count() == 1)
        page.get_by_role("button", name=f"Forget {topic}").click()
        until("it is forgotten", lambda: topic not in settings())

    def a_paused_feed_goes_on_after_half_a_minute(self):
        page, phone = self.page, self.phone
        page.locator("#feed").focus()
        page.keyboard.press("u")
        self.night("pause", (-2, 3))
        page.keyboard.press("Escape")
        here = phone.position()
        assert not phone.swipe_where_it_ends(True), "the break comes first"
        until("a break stands", lambda: page.locator(".rest").is_visible())
        until("nothing plays", lambda: page.evaluate(STANDS_STILL))
        resting = lambda: page.evaluate("window.phone.state.resting")
        tries, opens = 0, page.locator(".rest button.solid")
        # As long as the core says that it is too early, nothing passes it.
        while (before := resting()) and before["opensInMs"] > 0 and opens.is_disabled():
            assert before["measure"] == "pause", before
            page.keyboard.press(("ArrowDown", "Space")[tries % 2])
            until("the try is over", phone.settled)
            now = resting()
            if now and now["opensInMs"] > 0 and opens.is_disabled():
                assert page.locator(".rest").is_visible() and phone.position() == here
                assert page.evaluate(STANDS_STILL)
                tries += 1
            page.wait_for_timeout(500)
        assert tries > 0, "it was tried before its time"
        until("the person may go on", lambda: not page.locator(".rest").is_visible() or opens.is_enabled())
        if page.locator(".rest").is_visible():
            opens.click()
        until("the break is over", lambda: not page.locator(".rest").is_visible())
        phone.plays(0.1)
        page.keyboard.press("u")
        self.night("remind", None)
        page.keyboard.press("Escape")

    def the_native_engine_shows_its_pictures(self):
        page, phone = self.page, self.phone
        switch = page.get_by_role("switch", name="Native GStreamer player")
        assert switch.get_attribute("aria-checked") == "false"
        phone.switch("gstreamer")
        assert switch.get_attribute("aria-checked") == "true"
        assert page.evaluate("document.activeElement.id") == "engine", "the focus stays"
        assert page.locator("video").count() == 0, "no player of the browser is left"
        phone.moves()
        until("the figures say so", lambda: phone.figures()["engine"]["name"] == "gstreamer")
        assert phone.figures()["engine"]["version"].startswith("GStreamer"), phone.figures()["engine"]
        prerolled = lambda: phone.figures()["story"]["starts"][0]["latency"]["n"]
        before = prerolled()
        covered = "window.phone.cards.get(window.phone.state.current + 1)?.view.covered"
        ready = "window.phone.cards.get(window.phone.state.current + 1)?.picture.querySelector('canvas[data-ready]')"
        for number in range(8):
            # The card that comes has its first picture before anybody swipes; one that is covered has nothing.
            until("the next card is ready", lambda: page.evaluate(f"Boolean({ready}) || Boolean({covered})"))
            phone.swipe(("key", "drag")[number % 2])
            phone.moves()
            # Two swipes, and more where a busy machine let none of them begin at once.
            if number > 0 and prerolled() > before:
                break
        until("a card had been pre-rolled", lambda: prerolled() > before)
        shape = page.evaluate("(canvas => canvas.width / canvas.height)(document.querySelector('.card.here canvas'))")
        assert abs(shape - 9 / 16) < 0.01, shape
        page.locator("#feed").focus()
        page.keyboard.press("Space")
        until("it stands still", lambda: page.evaluate("window.phone.state.paused"))
        # Pictures that were on their way have come: the same one stands twice in a row, half a second apart.
        def stands():
            before = phone.pixels()
            page.wait_for_timeout(500)
            return before and phone.pixels() == before
        until("the picture stands still", stands)
        page.keyboard.press("Space")
        phone.moves()
        like = page.locator(".card.here").get_by_role("button", name="Like")
        liked = "false" if like.get_attribute("aria-pressed") == "true" else "true"
        page.keyboard.press("l")
        until("the like is taken", lambda: like.get_attribute("aria-pressed") == liked)
        page.keyboard.press("c")
        page.get_by_role("dialog", name="Comments").wait_for()
        page.keyboard.press("Escape")
        until("the sheet is away", lambda: page.get_by_role("dialog").count() == 0)
        self.accessible("the native engine")
        phone.moves()
        self.picture("native")
        # A page that is loaded again goes on with the pictures.
        page.reload()
        until("the phone came along", lambda: phone.position() > 0)
        phone.moves()
        # A break stands in the way of this engine too.
        page.locator("#feed").focus()
        page.keyboard.press("u")
        self.night("stop", (-2, 3))
        page.keyboard.press("Escape")
        until("a break stands", lambda: page.locator(".rest").is_visible())
        until("the picture stands still", stands)
        page.locator(".rest").get_by_role("button", name="Time and breaks").click()
        self.night("remind", None)
        page.keyboard.press("Escape")
        until("the person may go on", lambda: page.locator(".rest button.solid").is_enabled())
        page.locator(".rest button.solid").click()
        until("the break is over", lambda: not page.locator(".rest").is_visible())
        phone.moves()
        phone.switch("browser")
        assert switch.get_attribute("aria-checked") == "false"
        assert page.locator("canvas[data-ready]").count() == 0
        phone.plays()

    def switching_back_and_forth_leaves_one_session(self):
        phone = self.phone
        began = phone.switched()[2]
        most, files = self.demo.threads(), self.demo.holds("events.db")
        assert files > 0
        for _ in range(ROUNDS):
            phone.switch("gstreamer")
            phone.switch("browser")
        phone.plays()
        assert phone.switched()[2] == began + 2 * ROUNDS, "each is the only one"
        # A thread that every session left behind would be twenty by now.
        until("no more threads than before", lambda: self.demo.threads() < most + ROUNDS)
        until("only one session has its files open", lambda: self.demo.holds("events.db") == files)

    def nothing_serious_for_axe(self):
        self.accessible("the feed and the inspector")

    def plays_on_without_a_network(self):
        page, phone, demo = self.page, self.phone, self.demo
        ahead = "[...document.querySelectorAll('.window li')].slice(1).filter(row => ['fetched', 'pre-rolled'].includes(row.dataset.stage)).length"
        until("cards are ahead", lambda: page.evaluate(ahead) >= 3 and phone.figures()["requests"]["underWay"] == 0)
        page.get_by_role("button", name="Offline").click()
        until("the phone says so", lambda: page.locator("#net").inner_text() == "No network")

        def silent():
            # Figures that were taken before the network went say nothing about what is under way now.
            now = phone.figures()
            return now["network"]["online"] is False and now["requests"]["underWay"] == 0

        until("nothing is under way", silent)
        cut = time.time() * 1000
        forward, played = True, 0
        for _ in range(OFFLINE_SWIPES * 3):
            if not phone.swipe_where_it_ends(forward):
                assert forward, "there is nothing before this card"
                forward = False
                continue
            if phone.covered() or not phone.plays_without_network(0.2):
                continue
            played += 1
            if played == 2:
                page.keyboard.press("l")
                like = page.locator(".card.here").get_by_role("button", name="Like")
                until("it is liked", lambda: like.get_attribute("aria-pressed") == "true")
                until("it waits on disk", lambda: phone.figures()["out"]["intentsQueued"] == 1)
                assert phone.seen()
                self.picture("offline")
            if played == OFFLINE_SWIPES:
                break
        assert played == OFFLINE_SWIPES, played
        asked = [line for line in demo.access() if line["t_ms"] > cut]
        assert not asked, f"the server was asked: {asked}"

    def like_goes_out_later_once(self):
        likes = lambda: self.demo.store("SELECT count(*) FROM operations WHERE verb = 'like' AND state")
        before = likes()
        self.page.get_by_role("button", name="4G").click()
        until("the like is at the server", lambda: likes() == before + 1)
        until("nothing waits", lambda: self.phone.figures()["out"]["intentsQueued"] == 0)

    def a_late_label_covers_a_card_and_its_bytes_go(self):
        page = self.page
        until("there is a third card", lambda: page.locator(".window li").count() > 2)
        page.get_by_role("button", name="Let a moderator label").click()
        until("a card is covered", lambda: page.locator(".window li[data-stage=covered]").count() > 0)

    def both_sets_of_books_are_equal(self):
        page, demo, client = self.page, self.demo, self.demo.client()
        page.locator("#feed").focus()
        still = lambda: page.evaluate("document.querySelector('.card.here video')?.paused ?? true")
        if not still():
            page.keyboard.press("Space")
            until("it stands still", still)

        def compared():
            now, access = self.phone.figures(), demo.access()
            counted = {
                "bytes": (now["bytes"]["network"], sum(line["bytes"] for line in access if line["client"] == client)),
                "requests": (now["requests"]["answered"], sum(line["status"] > 0 for line in access)),
                "records": (now["out"]["delivered"], demo.store("SELECT count(*) FROM events")),
                "viewings": (
                    now["story"]["ended"],
                    demo.store("SELECT count(*) FROM events WHERE event_name = 'unspool.impression'"),
                ),
            }
            self.counted = counted
            return all(ours == theirs and ours > 0 for ours, theirs in counted.values())

        try:
            until("both sides count the same", compared)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.counted}") from None
        until("the page says so", lambda: page.locator("#books-bytes .same").count() == 1)
        reasons = "document.querySelectorAll('.plans li[data-reason]').length === window.unspool.plans.length && window.unspool.plans.length"
        until("every card has its reason", lambda: page.evaluate(reasons) >= 2)
        cache = self.phone.figures()["cache"]
        assert cache["renditions"] >= len(cache["rows"]) > 2, cache
        out = self.phone.figures()["out"]
        assert out["recorded"] == out["delivered"] + out["queued"] + out["dropped"] + out["quarantined"], out
        gone = out["intentsDelivered"] + out["intentsSettled"]
        assert out["intents"] == gone + out["intentsQueued"] + out["intentsWedged"], out
        print(f"    {self.counted}", flush=True)
        self.picture("inspector")

    def still_for_who_wants_no_motion(self):
        context = self.browser.new_context(reduced_motion="reduce", viewport={"width": 400, "height": 800})
        other = Phone(context.new_page())
        other.page.goto(self.demo.address)
        until("the phone came along", lambda: other.position() > 0)
        moving = other.page.evaluate("getComputedStyle(document.querySelector('.reel')).transitionDuration")
        assert moving in ("0s", "0ms"), moving
        other.page.screenshot(path=self.pictures / "narrow.png")
        self.page.get_by_text("open in another window").wait_for()
        context.close()

    def the_inspector_stands_alone(self):
        """As a debug build of an app serves it: its own port, nobody else's files, the same figures."""
        address = self.demo.alone()
        asked: list[str] = []
        context = self.browser.new_context(viewport={"width": 1440, "height": 1000})
        other = Phone(context.new_page())
        page = other.page
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        until("the window is shown", lambda: page.locator(".window li[data-stage]").count() >= 2)
        until("every card has a reason", lambda: page.locator(".plans li[data-reason]").count() >= 2)
        until("the cache is listed", lambda: page.locator(".cache tbody tr").count() >= 2)
        assert not page.get_by_role("button", name="Forget all of it").is_visible(), "it was not asked to be writable"
        assert page.get_by_role("heading", name="Two sets of books").count() == 0, "there is no server beside it"
        until("it fits", lambda: page.locator(".uplot").count() == 1)
        found = Check(self.demo, other, self.browser, self.pictures)
        found.accessible("the inspector alone")
        page.screenshot(path=self.pictures / "alone.png", full_page=True)
        assert all(url.startswith(address) or url.startswith("data:") for url in asked), asked
        assert not other.faults, other.faults
        context.close()

    def nothing_was_wrong_on_the_page(self):
        assert not self.phone.faults, self.phone.faults

    def plays_back_to_the_same(self):
        replay = lambda tape: subprocess.run([self.demo.program, "replay", str(tape)], capture_output=True, text=True, timeout=300)
        # The second session was that of the native engine.
        for tape in (f"{self.tape}.2", self.tape):
            played = replay(tape)
            assert played.returncode == 0, played.stderr
            print(f"    {played.stdout.strip()}", flush=True)
        assert int(re.search(r"(\d+) effects", played.stdout)[1]) > 300, played.stdout
        # A session that was another one is told from it: one picture less was shown.
        lines = self.tape.read_text().splitlines(keepends=True)
        gone = next(n for n, line in enumerate(lines) if '"FirstFrame"' in line)
        other = self.pictures / "other.tape"
        other.write_text("".join(lines[:gone] + lines[gone + 1:]))
        differs = replay(other)
        assert differs.returncode == 1 and "recorded" in differs.stderr, differs
        for one in (other, *self.pictures.glob("session.tape.*")):
            one.unlink()

    def ends_at_once_leaves_nothing_but_a_report(self):
        assert self.demo.children, "the server is a process of its own"
        assert self.demo.interrupt() == 0, "\n".join(self.demo.words[-10:])
        until("no process is left", lambda: not any(Path(f"/proc/{pid}").exists() for pid in self.demo.children))
        asked: list[str] = []
        page = self.browser.new_page(viewport={"width": 1180, "height": 1000})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(self.report.as_uri())
        page.get_by_role("heading", name="Two sets of books").wait_for()
        assert page.locator("canvas").count() == 3
        for what in ("bytes received", "requests answered", "records delivered", "viewings"):
            ours, theirs = page.get_by_role("row", name=what).locator("td").all_inner_texts()
            assert ours == theirs and ours != "0", (what, ours, theirs)
        page.screenshot(path=self.pictures / "report.png", full_page=True)
        assert asked == [self.report.as_uri()], asked

    def plays_a_folder_of_own_videos(self):
        with tempfile.TemporaryDirectory(prefix="unspool-own-") as place:
            folder, state = Path(place) / "Vidéos of mine", Path(place) / "state"
            folder.mkdir()
            for name, size, more in [
                ("holiday.mp4", "360x640", []), ("a wide one.mp4", "640x360", ["-movflags", "+faststart"]), ("Grüße #1.mp4", "240x240", []),
            ]:
                source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=6", "-pix_fmt", "yuv420p"]
                subprocess.run(["ffmpeg", "-v", "error", *source, *more, str(folder / name)], check=True, timeout=300)
            own = Demo(self.demo.program, state, "--media", str(folder))
            try:
                phone = Phone(self.browser.new_page(viewport={"width": 1560, "height": 1000}))
                phone.page.goto(own.address)
                # The folder is the feed: whoever has no topics to choose from begins at once.
                skip = phone.page.get_by_role("button", name="Skip")
                until("it begins", lambda: phone.position() == 1 or (skip.is_visible() and skip.click()))
                shapes = set()
                for number in range(3):
                    if number > 0:
                        phone.swipe("key")
                    phone.plays()
                    shapes.add(phone.page.evaluate("(video => `${video.videoWidth}x${video.videoHeight}`)(document.querySelector('.card.here video'))"))
                assert shapes == {"360x640", "640x360", "240x240"}, shapes
                assert not phone.faults, phone.faults
                phone.page.screenshot(path=self.pictures / "own.png")
                phone.page.close()
                assert own.interrupt() == 0
            finally:
                own.kill()

    STEPS = [
        strangers_are_refused, interests_come_first, swipes_by_touch_wheel_and_keys, goes_back_by_every_way,
        pauses_likes_and_sounds_by_keyboard_alone, comments_are_sent_and_sheets_give_the_focus_back,
        menu_says_why_and_takes_no_for_an_answer, a_report_hides_at_once_and_has_a_receipt,
        break_card_cannot_be_skipped, a_paused_feed_goes_on_after_half_a_minute, weights_are_the_persons_to_change,
        nothing_serious_for_axe, plays_on_without_a_network, like_goes_out_later_once, a_late_label_covers_a_card_and_its_bytes_go,
        the_inspector_stands_alone, the_native_engine_shows_its_pictures, switching_back_and_forth_leaves_one_session, both_sets_of_books_are_equal,
        still_for_who_wants_no_motion, nothing_was_wrong_on_the_page, ends_at_once_leaves_nothing_but_a_report, plays_back_to_the_same,
        plays_a_folder_of_own_videos,
    ]


def main(program: str, chromium: str, pictures: Path, junit: Path) -> int:
    pictures.mkdir(parents=True, exist_ok=True)
    cases, failed = [], 0
    with tempfile.TemporaryDirectory(prefix="unspool-demo-check-") as state, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        written = ("--report", str(pictures / "report.html"), "--record", str(pictures / "session.tape"))
        demo = Demo(program, Path(state), "--clips", CLIPS, *written)
        try:
            phone = Phone(browser.new_page(viewport={"width": 1560, "height": 1000}))
            check = Check(demo, phone, browser, pictures)
            for step in Check.STEPS:
                began, words = time.monotonic(), ""
                # What comes after a failed step is not tested: it builds on it.
                if failed == 0:
                    try:
                        step(check)
                    except Exception:
                        words, failed = traceback.format_exc(), 1
                        check.picture("failed")
                        print(words, "\n".join(demo.words[-15:]), *phone.faults[-10:], sep="\n", flush=True)
                    took = time.monotonic() - began
                    print(f"{'FAILED' if words else 'ok'} {step.__name__} ({took:.1f} s)", flush=True)
                    inside = f"<failure message={quoteattr(words)}/>" if words else ""
                    cases.append(f"<testcase name={quoteattr(step.__name__)} time='{took:.2f}'>{inside}</testcase>")
        finally:
            demo.kill()
            browser.close()
    junit.parent.mkdir(parents=True, exist_ok=True)
    junit.write_text(f"<testsuite name='demo' tests='{len(cases)}' failures='{failed}'>{''.join(cases)}</testsuite>\n")
    print(f"demo: {len(cases) - failed} passed, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve(), Path(sys.argv[4])))
