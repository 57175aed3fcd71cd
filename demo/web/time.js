// A person's time: the card that stands in the place of a video, and the sheet where limits are chosen.

import { el, minutes } from "./dom.js";
import { act } from "./link.js";

/** @param {number} min minutes after midnight */
const clock = (min) => `${String(Math.floor(min / 60)).padStart(2, "0")}:${String(min % 60).padStart(2, "0")}`;

/** Why there is a break, for the person. */
const CAUSES = /** @type {Record<string, (card: any) => [string, string]>} */ ({
  page: () => ["A page of videos is over", "You asked for pages that end. Another one begins when you want it."],
  break: (card) => ["Time for a rest", `${minutes(card.stretchMs)} without a break. Look at something far away for a while.`],
  daily: (card) => ["That was today", `${minutes(card.todayMs)} watched. You chose to be told at your daily limit.`],
  night: () => ["It is late", "You chose to sleep at this hour."],
});

/** The card that covers the phone while a break stands. */
export class Rest {
  /** @param {HTMLElement} feed @param {(stay: boolean) => void} goOn @param {() => void} settings */
  constructor(feed, goOn, settings) {
    this.goOn = goOn;
    this.settings = settings;
    this.node = el("article", { class: "rest", "aria-labelledby": "rest-title", hidden: true });
    feed.append(this.node);
    /** @type {any} */
    this.card = null;
    setInterval(() => this.tick(), 250);
  }

  /** @param {any} card the break that stands, or null */
  show(card) {
    this.node.hidden = !card;
    if (!card) {
      this.card = null;
      return;
    }
    const again = this.card?.number === card.number;
    this.card = card;
    this.opens = performance.now() + card.opensInMs;
    if (again) {
      this.tick();
      return;
    }
    const [title, words] = (CAUSES[card.cause] ?? CAUSES.page)(card);
    this.wait = el("p", { class: "wait-for", role: "status" });
    this.go = el("button", { class: "solid", text: "Go on", onclick: () => this.goOn(card.measure !== "remind") });
    this.node.replaceChildren(
      el("div", { class: "moon", "aria-hidden": "true" }),
      el("h2", { id: "rest-title", text: title, tabindex: -1 }),
      el("p", { text: words }),
      this.wait,
      this.go,
      el("button", { class: "plain", text: "Time and breaks", onclick: () => this.settings() }),
    );
    this.tick();
    this.node.querySelector("h2").focus({ preventScroll: true });
  }

  tick() {
    if (!this.card) return;
    const left = Math.max(0, this.opens - performance.now());
    const open = left === 0;
    // A tenth of a second more than the core says is nobody's loss; less would be a button that does nothing.
    if (this.go.disabled === open) this.go.disabled = !open;
    const words = open ? (this.card.measure === "remind" ? "Swipe or go on when you want." : "You may go on.")
      : this.card.measure === "pause" ? `You may go on in ${Math.ceil(left / 1000)} s.`
        : `Stopped for ${minutes(left)}. Change the limit if you chose it too tight.`;
    if (this.wait.textContent !== words) this.wait.textContent = words;
  }
}

/** @param {[string | number, string][]} options @param {string | number} value @param {string} label @param {(value: string) => void} changed */
function choice(options, value, label, changed) {
  const known = options.some(([one]) => String(one) === String(value)) ? options : [...options, /** @type {[string | number, string]} */ ([value, `${value} minutes`])];
  const select = el("select", { "aria-label": label }, ...known.map(([one, text]) => el("option", { value: one, text, selected: String(one) === String(value) })));
  select.addEventListener("change", () => changed(select.value));
  return select;
}

const MEASURES = /** @type {[string, string][]} */ ([["remind", "remind me"], ["pause", "pause for half a minute"], ["stop", "stop"]]);

/**
 * The sheet "Time and breaks".
 * @param {import("./sheets.js").Sheets} sheets
 * @param {(words: string) => void} say
 */
export async function timeSheet(sheets, say) {
  const first = await act({ do: "time" }).catch((error) => {
    say(error.message);
    return null;
  });
  if (!first) return;
  await sheets.ask("Time and breaks", () => {
    const told = el("p", { class: "note", role: "status" });
    const show = (/** @type {any} */ time) => {
      told.textContent = `Watched today: ${minutes(time.todayMs)}; since the last rest: ${minutes(time.stretchMs)}. It is counted and kept on this device alone.`;
    };
    show(first);
    // One after the other: two on their way at once may overtake each other, and the earlier would win.
    let before = Promise.resolve();
    const change = (/** @type {object} */ some) => (before = before.then(() => act({ do: "limits", change: some })).then(show, (error) => {
      told.textContent = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
    }));
    const now = first.limits;
    const from = el("input", { type: "time", value: clock(now.night.from_min), "aria-label": "Night begins" });
    const until = el("input", { type: "time", value: clock(now.night.until_min), "aria-label": "Night ends" });
    const minute = (/** @type {any} */ input) => {
      const [h, m] = input.value.split(":").map(Number);
      return Number.isFinite(h) ? h * 60 + m : 0;
    };
    const night = () => change({ night: { from_min: minute(from), until_min: minute(until) } });
    from.addEventListener("change", night);
    until.addEventListener("change", night);
    const tick = (/** @type {string} */ words, /** @type {boolean} */ on, /** @type {string} */ name) => {
      const box = el("input", { type: "checkbox", checked: on });
      box.addEventListener("change", () => change({ [name]: box.checked }));
      return el("label", { class: "tick" }, box, words);
    };
    return [
      el("div", { class: "limits" },
        el("div", {}, el("span", { text: "A day" }), choice([[0, "no limit"], [1, "1 minute"], [15, "15 minutes"], [30, "30 minutes"], [60, "1 hour"], [120, "2 hours"]], now.dailyMin, "Daily limit", (value) => change({ daily_min: Number(value) })), choice(MEASURES, now.atDaily, "At the daily limit", (value) => change({ at_daily: value }))),
        el("div", {}, el("span", { text: "A rest" }), choice([[0, "never"], [5, "every 5 minutes"], [15, "every 15 minutes"], [30, "every 30 minutes"], [60, "every hour"]], now.breakMin, "A rest is due", (value) => change({ break_min: Number(value) })), choice(MEASURES, now.atBreak, "When a rest is due", (value) => change({ at_break: value }))),
        el("div", {}, el("span", { text: "Night" }), el("span", { class: "span" }, from, "–", until), choice(MEASURES, now.atNight, "At night", (value) => change({ at_night: value }))),
      ),
      tick("Videos begin by themselves", now.autoplay, "autoplay"),
      tick("Pages without end", now.endless, "endless"),
      told,
    ];
  });
}
