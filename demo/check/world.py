"""The demo as a process of its own, a browser on its page, and the server's own books."""

import json
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

from playwright.sync_api import Page

PATIENCE = 60.0
"""Seconds within which anything that is waited for has to come about on a busy machine."""
GIVES_UP = 12.0
"""Seconds after which a card of which too little is on the device counts as one that does not play without a network."""


def until(what: str, look, within: float = PATIENCE):
    """Waits until `look` answers something true, and gives it."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what}")
        time.sleep(0.05)


class Demo:
    """`unspool-demo`, started as a person starts it."""

    def __init__(self, program: str, state: Path, *more: str):
        self.program, self.state = program, state
        self.words: list[str] = []
        self.process = subprocess.Popen(
            [program, "--no-browser", "--state", str(state), *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.address = until("an address is printed", self._address, within=300)
        self.children = self._children()

    def _read(self):
        for line in self.process.stdout:
            self.words.append(line.rstrip())

    def _address(self):
        if self.process.poll() is not None:
            raise AssertionError("the demo ended: " + "\n".join(self.words[-10:]))
        return next((found[0] for line in list(self.words) if (found := re.search(r"http://127\S+", line))), None)

    def alone(self) -> str:
        """Where the inspector stands alone."""
        return until("its address is printed", lambda: next(
            (line.split()[-1] for line in list(self.words) if "inspector alone" in line), None))

    def _children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").parent.parent.glob("*/children")
        return [int(pid) for one in listed for pid in one.read_text().split()]

    def interrupt(self) -> int:
        """Ctrl-C; the code it ended with."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def access(self) -> list[dict]:
        """The lines of the server's log."""
        return [json.loads(line) for line in (self.state / "access.jsonl").read_text().splitlines()]

    def threads(self) -> int:
        """Threads of the demo's own process."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def holds(self, name: str) -> int:
        """How often the demo's own process has the file of this name open."""
        count = 0
        for one in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                count += one.readlink().name == name
            except OSError:
                continue  # Closed meanwhile.
        return count

    def client(self) -> str:
        return (self.state / "client").read_text().strip()

    def store(self, question: str, *values) -> int:
        """A number out of the server's database, read while it runs."""
        with sqlite3.connect(f"file:{self.state / 'origin.db'}?mode=ro", uri=True) as books:
            return books.execute(question, values).fetchone()[0]


class Phone:
    """The page, as a person uses it."""

    def __init__(self, page: Page):
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))
        page.on("console", lambda said: self._said(said) if said.type == "error" else None)

    def _said(self, said):
        """Takes an error of the console, unless it is one that belongs to what the steps do."""
        address = said.location.get("url", "")
        failed = said.text.startswith("Failed to load resource")
        # What a video cannot load it tells the core, which decides: the network is cut here, labels take files away, and
        # a player that was let go may ask once more. Whether cards play is looked at by the steps themselves.
        media = failed and address.split("?")[0].rsplit(".", 1)[-1] in ("mp4", "m4s", "m3u8", "ts", "aac", "m4a")
        # What the person asked for cannot be: said in words on the phone.
        refused = failed and address.endswith("/do") and "409" in said.text
        if not media and not refused:
            self.faults.append(f"{said.text} {address}")

    def figures(self) -> dict:
        """What the inspector was told last."""
        return self.page.evaluate("window.unspool ?? null") or {}

    def position(self) -> int:
        return self.page.evaluate("Number(document.querySelector('.card.here')?.getAttribute('aria-posinset') ?? 0)")

    def seconds(self) -> float:
        """Media time of the video on the screen; -1 where there is none with a picture."""
        return self.page.evaluate(
            "(() => { const v = document.querySelector('.card.here video'); return v && v.readyState > 1 ? v.currentTime : -1 })()"
        )

    def seen(self) -> bool:
        """Whether the card that plays fills the screen."""
        return self.page.evaluate(
            "Math.abs((document.querySelector('.card.here')?.getBoundingClientRect().top ?? Infinity)"
            " - document.getElementById('feed').getBoundingClientRect().top) < 2"
        )

    def covered(self) -> bool:
        return self.page.evaluate("document.querySelector('.card.here')?.classList.contains('veiled') ?? false")

    def settled(self) -> bool:
        """Whether no swipe is under way."""
        return self.page.evaluate("document.getElementById('feed').getAttribute('aria-busy') === 'false'")

    def swipe(self, how: str, forward: bool = True):
        """Swipes, and waits until another card is there."""
        until("the swipe before is over", self.settled)
        before = self.position()
        box = self.page.locator("#feed").bounding_box()
        x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5
        if how == "wheel":
            self.page.mouse.move(x, y)
            self.page.mouse.wheel(0, 240 if forward else -240)
        elif how == "drag":
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            for step in range(1, 7):
                self.page.mouse.move(x, y + (-1 if forward else 1) * step * box["height"] * 0.06)
            self.page.mouse.up()
        else:
            self.page.keyboard.press("ArrowDown" if forward else "ArrowUp")
        until(f"another card after {how}", lambda: self.settled() and self.position() not in (0, before))

    def swipe_where_it_ends(self, forward: bool) -> bool:
        """Swipes by key, and says whether there was another card."""
        until("the swipe before is over", self.settled)
        before = self.position()
        self.page.keyboard.press("ArrowDown" if forward else "ArrowUp")
        until("the swipe is over", self.settled)
        return self.position() != before

    def uncover(self):
        """Reveals the card on the screen where it is covered."""
        if self.covered():
            reason = self.page.locator(".card.here .cover h3").inner_text()
            assert reason, "a covered card says why"
            self.page.locator(".card.here .cover button").click()
            until("the card is uncovered", lambda: not self.covered())

    def plays(self, at_least: float = 0.25):
        """Waits until the video on the screen has a picture and its time advances; a covered card is revealed first."""
        self.uncover()
        until("the card is where the person looks", self.seen)
        began = until("a picture", lambda: (at := self.seconds()) >= 0 and (at,))[0]
        until("time advances", lambda: self.advanced(began, at_least))

    def pixels(self) -> str:
        """What the native engine's canvas on the screen shows, as one number; empty where there is no picture."""
        return self.page.evaluate(
            """() => {
                const canvas = document.querySelector('.card.here canvas[data-ready]');
                if (!canvas) return "";
                const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                let sum = 2166136261;
                for (let at = 0; at < data.length; at += 37) sum = Math.imul(sum ^ data[at], 16777619);
                return `${canvas.width}x${canvas.height} ${sum >>> 0}`;
            }"""
        )

    def moves(self, pictures: int = 3):
        """Waits until the canvas on the screen has shown some different pictures; a covered card is revealed first."""
        self.uncover()
        until("the card is where the person looks", self.seen)
        seen: set[str] = set()
        until(f"{pictures} pictures that differ", lambda: ((now := self.pixels()) and seen.add(now), len(seen) >= pictures)[1])

    def switch(self, engine: str):
        """Lets the other engine play, by keyboard alone, and waits until its session is open."""
        until("no other switch is under way", lambda: self.switched()[1])
        before = self.switched()[2]
        self.page.locator("#engine").focus()
        self.page.keyboard.press("Enter")
        until(f"{engine} plays", lambda: (now := self.switched()) and now[0] == engine and now[1] and now[2] > before and self.position() > 0)

    def switched(self) -> tuple[str, bool, int]:
        """Who plays, whether that is settled, and the number of the session."""
        return tuple(self.page.evaluate("(({ player, begun }) => [player.engine, begun && !player.switching, player.session])(window.phone.state)"))

    def advanced(self, began: float, by: float) -> bool:
        """Whether the video on the screen has gone on since `began`, or started over."""
        at = self.seconds()
        return at >= 0 and (at > began + by or at < began)

    def plays_without_network(self, by: float) -> bool:
        """Whether the card on the screen plays: not where a browser gave it up, nor where too little of it is here."""
        failed = lambda: self.page.evaluate("document.querySelector('.card.here')?.classList.contains('failed') ?? false")
        until("the card is where the person looks", self.seen)
        deadline, began = time.monotonic() + GIVES_UP, -1.0
        while time.monotonic() < deadline and not failed():
            if began < 0:
                began = self.seconds()
            elif self.advanced(began, by):
                return True
            time.sleep(0.05)
        return False
