// What stands beside the phone: the inspector, and what only the demo has: the network that is shaped, a moderator, a report.

import { el } from "./dom.js";
import { Inspector } from "./inspector.js";
import { act } from "./link.js";
import { Network } from "./network.js";

export class Beside {
  /** @param {import("./phone.js").Phone} phone */
  constructor(phone) {
    this.phone = phone;
    const say = (/** @type {string} */ words) => phone.say(words);
    this.network = new Network(say);
    const root = /** @type {HTMLElement} */ (document.getElementById("inspector"));
    this.inspector = new Inspector(root, {
      act,
      say,
      head: [el("a", { class: "save", href: "report.html", download: "unspool-report.html", text: "Save a report" })],
      first: [el("section", { class: "panel wide", "aria-label": "Network" }, el("h3", { text: "Network" }), this.network.node)],
      safety: [el("button", { class: "plain", text: "Let a moderator label the card after next", onclick: () => this.label() })],
      time: [el("button", { class: "plain", text: "Change limits on the phone", onclick: () => phone.time() })],
    });
    this.n = 0;
  }

  async label() {
    const card = this.phone.state.cards[2];
    if (!card) return;
    await act({ do: "label", item: card.item, label: "graphic-media" }).catch((error) => this.phone.say(error.message));
  }

  /** @param {any} now */
  show(now) {
    this.network.show(now.network);
    this.inspector.show(now);
    this.n += 1;
    // For whoever looks at the page from outside.
    /** @type {any} */ (window).unspool = { ...now, n: this.n };
  }
}
