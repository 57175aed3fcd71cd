// Sheets that rise from the bottom of the phone: interests, comments, the menu, reasons, keys.

import { el } from "./dom.js";

export class Sheets {
  constructor() {
    this.root = /** @type {HTMLElement} */ (document.getElementById("sheets"));
    this.open = false;
    /** @type {(() => void) | null} */
    this.shut = null;
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.shut) {
        event.preventDefault();
        this.shut();
      }
    });
  }

  /**
   * Shows a sheet until it is answered or put away.
   * @param {string} title
   * @param {(done: (answer: any) => void) => Node[]} fill
   * @param {{ full?: boolean }} [how] a full sheet cannot be put away
   * @returns {Promise<any>} the answer; null when it was put away
   */
  ask(title, fill, how = {}) {
    this.shut?.();
    return new Promise((resolve) => {
      const before = /** @type {HTMLElement | null} */ (document.activeElement);
      const behind = ["feed", "top"].map((id) => /** @type {HTMLElement} */ (document.getElementById(id)));
      const done = (/** @type {any} */ answer) => {
        back.remove();
        this.open = false;
        this.shut = null;
        for (const node of behind) node.inert = false;
        const again = before?.isConnected && before !== document.body ? before : behind[0];
        again?.focus({ preventScroll: true });
        resolve(answer);
      };
      const heading = el("h2", { id: "sheet-title", text: title, tabindex: -1 });
      const head = el("div", { class: "head" }, heading);
      if (!how.full) head.append(el("button", { class: "close", "aria-label": "Close", text: "✕", onclick: () => done(null) }));
      const sheet = el("div", { class: `sheet${how.full ? " full" : ""}`, role: "dialog", "aria-modal": "true", "aria-labelledby": "sheet-title" }, head, ...fill(done));
      const back = el("div", { class: "back" }, sheet);
      if (!how.full) back.addEventListener("click", (/** @type {Event} */ event) => event.target === back && done(null));
      this.shut = how.full ? null : () => done(null);
      this.open = true;
      for (const node of behind) node.inert = true;
      this.root.replaceChildren(back);
      heading.focus({ preventScroll: true });
    });
  }

  /** @param {{ id: string, title: string }[]} topics @returns {Promise<string[]>} */
  interests(topics) {
    return this.ask("What do you like?", (done) => {
      /** @type {Set<string>} */
      const chosen = new Set();
      const go = el("button", { class: "solid", text: "Start watching", onclick: () => done([...chosen]) });
      const chips = topics.map((topic) => el("button", {
        class: "chip", "aria-pressed": "false", text: topic.title,
        onclick: (/** @type {Event} */ event) => {
          const chip = /** @type {HTMLElement} */ (event.currentTarget);
          const on = !chosen.delete(topic.id);
          if (on) chosen.add(topic.id);
          chip.setAttribute("aria-pressed", String(on));
          go.textContent = chosen.size > 0 ? `Start with ${chosen.size}` : "Start watching";
        },
      }));
      return [
        el("p", { text: "Choose what the feed begins with. It stays on this device and can be changed at any time." }),
        el("div", { class: "chips", role: "group", "aria-label": "Topics" }, ...chips),
        el("div", { class: "foot" }, go, el("button", { class: "plain", text: "Skip", onclick: () => done([]) })),
      ];
    }, { full: true });
  }

  /**
   * @param {any} card
   * @param {(command: object) => Promise<any>} run
   * @param {() => boolean} online
   */
  async comments(card, run, online) {
    const list = el("ul", { class: "comments", "aria-label": "Your comments" });
    const fill = (/** @type {any} */ answer) => {
      const comments = answer?.comments ?? [];
      list.replaceChildren(...comments.map((/** @type {any} */ comment) => el("li", {},
        el("p", { text: comment.text }),
        el("small", { class: comment.state, text: WHERE[comment.state] ?? comment.state }))));
      if (comments.length === 0) list.append(el("li", { class: "none", text: "Nothing said yet." }));
    };
    fill(await run({ do: "comments", item: card.item, opened: true }));
    const timer = setInterval(async () => fill(await run({ do: "comments", item: card.item, opened: false })), 1_500);
    await this.ask("Comments", () => {
      const text = el("input", { type: "text", maxlength: 2200, placeholder: "Say something kind", "aria-label": "Your comment", autocomplete: "off" });
      const form = el("form", { class: "write" }, text, el("button", { class: "solid", text: "Send" }));
      form.addEventListener("submit", async (/** @type {Event} */ event) => {
        event.preventDefault();
        const words = text.value.trim();
        if (!words) return;
        text.value = "";
        fill(await run({ do: "comment", item: card.item, text: words }));
      });
      const note = online() ? "On disk first, then at the server, once." : "No network: what you write goes out later, once.";
      return [list, el("p", { class: "note", text: note }), form];
    });
    clearInterval(timer);
  }

  /** @param {any} card @param {any} state @returns {Promise<string | null>} */
  more(card, state) {
    return this.ask(`@${card.creator.handle}`, (done) => [
      el("div", { class: "menu" }, ...[
        ["not_interested", "Not interested"],
        ["why", "Why this video"],
        ["time", "Time and breaks"],
        ["captions", state.captions ? "Captions off" : "Captions on"],
        ["block", `Block @${card.creator.handle}`],
        ["report", "Report"],
        ["receipts", "Your reports"],
      ].map(([does, words]) => el("button", { text: words, onclick: () => done(does) }))),
    ]);
  }

  /** @param {any} card @param {number} ms the moment that is reported @returns {Promise<string | null>} */
  report(card, ms) {
    return this.ask(`Report the video of @${card.creator.handle}`, (done) => [
      el("p", { class: "note", text: `The moment at ${(ms / 1000).toFixed(1)} s goes with it, so that whoever looks need not watch all of it. You will not see this video again.` }),
      el("div", { class: "menu" }, ...REASONS.map(([reason, words]) => el("button", { text: words, onclick: () => done(reason) }))),
    ]);
  }

  /**
   * What was reported, and what became of it.
   * @param {string} title @param {any[]} reports @param {(command: object) => Promise<any>} run
   */
  async receipts(title, reports, run) {
    const list = el("ul", { class: "comments receipts", "aria-label": "Your reports" });
    const fill = (/** @type {any[]} */ all) => {
      list.replaceChildren(...all.slice(0, 6).map((one) => el("li", {},
        el("p", { text: `${one.reason.split(".")[1].replaceAll("_", " ")}${one.taps > 1 ? ` (${one.taps} taps, one report)` : ""}` }),
        el("small", { class: one.state, text: `${BECAME[one.state] ?? one.state}${one.words ? `: ${one.words}` : ""}` }),
        el("code", { text: one.receipt ? `Receipt ${one.receipt.slice(-12)}` : "No receipt yet" }))));
      if (all.length === 0) list.append(el("li", { class: "none", text: "You reported nothing." }));
    };
    fill(reports);
    const timer = setInterval(async () => {
      const told = await run({ do: "reports" });
      if (told) fill(told.reports);
    }, 1_500);
    await this.ask(title, () => [list, el("p", { class: "note", text: "A report is on this device before it is sent, and sent once however often you tap." })]);
    clearInterval(timer);
  }

  /** @param {any} card @param {any} why @param {any[]} parameters */
  why(card, why, parameters) {
    const most = Math.max(0.001, ...why.reasons.map((/** @type {any} */ reason) => Math.abs(reason.amount)));
    const bars = why.reasons.slice(0, 6).map((/** @type {any} */ reason) => {
      const bar = el("i", { class: reason.amount < 0 ? "cost" : "gain" });
      const width = (50 * Math.abs(reason.amount)) / most;
      bar.style.width = `${width}%`;
      bar.style.left = reason.amount < 0 ? `${50 - width}%` : "50%";
      return el("li", {}, el("span", { text: reason.words }), el("span", { class: "track both", "aria-hidden": "true" }, bar));
    });
    return this.ask("Why this video", () => [
      el("p", { class: "because", text: why.words }),
      ...bars.length > 0 ? [el("ul", { class: "factors", "aria-label": "What spoke for it and against it" }, ...bars)] : [],
      el("p", { class: "note", text: `${card.labels.includes("paid_promotion") ? "Somebody paid for it to be made. " : ""}Computed on this device by ranking policy ${why.policy}${why.against ? ", compared with the best that could have stood here instead" : ""}.` }),
      el("details", {}, el("summary", { text: "Everything that decides the order" }), el("ul", { class: "parameters", tabindex: 0, "aria-label": "Parameters of the order" }, ...parameters.map((one) => el("li", {}, el("span", { text: one.words }), el("code", { text: one.value }))))),
    ]);
  }

  keys() {
    const rows = [
      ["↓ or J", "next video"], ["↑ or K", "the one before"], ["Space", "pause and play"], ["← →", "two seconds back, on"],
      ["L", "like"], ["C", "comments"], ["F", "follow"], ["B", "save"], ["S", "share"], ["M", "sound"], ["T", "captions"], ["X", "not interested"],
      ["W", "why this video"], ["R", "report"], ["U", "time and breaks"], ["O", "network off and on"], ["N", "browser's or native player"], ["Esc", "put a sheet away"],
    ];
    return this.ask("Keys", () => [el("dl", { class: "keylist" }, ...rows.flatMap(([key, does]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text: does })]))]);
  }
}

const WHERE = /** @type {Record<string, string>} */ ({
  sent: "At the server",
  waiting: "On this device, waiting to be sent",
  refused: "Refused by the server",
});

/** Reasons that anybody can tell, by the core's names. */
const REASONS = [
  ["misleading_scam", "A scam"],
  ["misleading_advertising", "Advertising that does not say so"],
  ["misleading_falsehood", "A false tale that does harm"],
  ["violence_graphic", "Violence"],
  ["sexual_unlabelled", "Sexual pictures without a label"],
  ["harassment_hate", "Hate"],
  ["flashing_lights", "Lights that flash without a warning"],
  ["other", "Something else"],
];

const BECAME = /** @type {Record<string, string>} */ ({
  waiting: "On this device, waiting to be sent",
  received: "At the server",
  refused: "Not taken",
  decided: "Decided",
});
