// Sheets that rise from the bottom of the phone: interests, comments, the menu, reasons, keys.

import { el } from "./phone.js";

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
        ["captions", state.captions ? "Captions off" : "Captions on"],
        ["block", `Block @${card.creator.handle}`],
        ["report", "Report"],
      ].map(([does, words]) => el("button", { text: words, onclick: () => done(does) }))),
    ]);
  }

  /** @param {any} card @returns {Promise<string | null>} */
  report(card) {
    return this.ask(`Report the video of @${card.creator.handle}`, (done) => [
      el("div", { class: "menu" }, ...[
        ["scam", "A scam or false advertising"],
        ["sexual", "Sexual content"],
        ["violence", "Violence"],
        ["misinformation", "Misleading"],
        ["other", "Something else"],
      ].map(([category, words]) => el("button", { text: words, onclick: () => done(category) }))),
    ]);
  }

  /** @param {any} card @param {string[]} chosen @param {{ id: string, title: string }[]} topics */
  why(card, chosen, topics) {
    const title = (/** @type {string} */ id) => topics.find((topic) => topic.id === id)?.title ?? id;
    const shared = card.topics.filter((/** @type {string} */ topic) => chosen.includes(topic));
    const reasons = [
      shared.length > 0
        ? `You chose ${shared.map(title).join(" and ")}, and this is about it.`
        : `It is about ${card.topics.map(title).join(" and ")}, which you did not choose: the server mixes other topics in.`,
      "The server put it in this place of For You; the device leaves that order alone, except for what the safety filter takes out.",
      ...card.labels.includes("paid_promotion") ? ["Somebody paid for it to be made."] : [],
    ];
    return this.ask("Why this video", () => [el("ul", { class: "reasons" }, ...reasons.map((text) => el("li", { text })))]);
  }

  keys() {
    const rows = [
      ["↓ or J", "next video"], ["↑ or K", "the one before"], ["Space", "pause and play"], ["← →", "two seconds back, on"],
      ["L", "like"], ["C", "comments"], ["F", "follow"], ["B", "save"], ["S", "share"], ["M", "sound"], ["T", "captions"], ["X", "not interested"],
      ["W", "why this video"], ["O", "network off and on"], ["Esc", "put a sheet away"],
    ];
    return this.ask("Keys", () => [el("dl", { class: "keylist" }, ...rows.flatMap(([key, does]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text: does })]))]);
  }
}

const WHERE = /** @type {Record<string, string>} */ ({
  sent: "At the server",
  waiting: "On this device, waiting to be sent",
  refused: "Refused by the server",
});
