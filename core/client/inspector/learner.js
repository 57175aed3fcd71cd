// The learner card: what was learnt on this device, in words, and a hand on every weight where that may be changed.

import { el } from "./dom.js";

/** Topics shown, the strongest first. */
const SHOWN = 8;

export class Learner {
  /** @param {(command: object) => Promise<any>} act @param {(words: string) => void} say */
  constructor(act, say) {
    this.act = act;
    this.say = say;
    this.writable = true;
    this.words = el("p", { class: "note" });
    this.list = el("ul", { class: "weights", "aria-label": "Topics and their weights" });
    const button = (/** @type {string} */ text, /** @type {() => void} */ does) => el("button", { class: "plain", text, onclick: does });
    this.hands = el("p", { class: "hands" },
      button("Forget all of it", () => this.run({ do: "erase_learner" }, "Nothing is known of you any more.")),
      button("Begin anew", () => this.run({ do: "reset_learner" }, "Learning begins anew; what you set stays.")),
      button("Export", () => void this.export()));
    this.node = el("div", { class: "learner" }, this.words, this.list, this.hands);
    this.last = "";
  }

  /** @param {object} command @param {string} [done] */
  run(command, done) {
    return this.act(command).then(() => done && this.say(done), (error) => this.say(error.message));
  }

  async export() {
    const told = await this.act({ do: "export_learner" }).catch((error) => this.say(error.message));
    if (!told) return;
    const link = el("a", { href: `data:application/json,${encodeURIComponent(told.text)}`, download: "what-was-learnt.json" });
    link.click();
  }

  /** @param {any} card @param {boolean} writable */
  show(card, writable) {
    this.writable = writable;
    this.hands.hidden = !writable;
    const text = JSON.stringify([writable, card.topics, card.settings, card.interests, card.viewings]);
    // Nothing moves below a hand that holds a slider.
    if (text === this.last || this.list.contains(document.activeElement)) return;
    this.last = text;
    this.words.textContent = card.words;
    const set = new Map(card.settings.map((/** @type {any} */ one) => [one.topic, one.weight]));
    const learnt = new Map(card.topics.map((/** @type {any} */ line) => [line.about, line]));
    const names = [...new Set([...set.keys(), ...card.topics.map((/** @type {any} */ line) => line.about), ...card.interests])].slice(0, SHOWN);
    const most = Math.max(0.001, ...card.topics.map((/** @type {any} */ line) => Math.abs(line.amount)));
    this.list.replaceChildren(...names.map((topic) => this.row(topic, learnt.get(topic), set.get(topic), most)));
    if (names.length === 0) this.list.append(el("li", { class: "none", text: "Nothing learnt yet: watch something." }));
  }

  /** @param {string} topic @param {any} line @param {number | undefined} set @param {number} most */
  row(topic, line, set, most) {
    const amount = line?.amount ?? 0;
    const bar = el("i", { class: amount < 0 ? "cost" : "gain" });
    bar.style.width = `${(50 * Math.abs(amount)) / most}%`;
    bar.style.left = amount < 0 ? `${50 - (50 * Math.abs(amount)) / most}%` : "50%";
    const name = el("span", { class: "topic", text: topic });
    const track = el("span", { class: "track both", "aria-hidden": "true" }, bar);
    if (!this.writable) return el("li", { class: set === undefined ? "" : "set", title: line?.words ?? "chosen at the start" }, name, track, el("span", { class: "told", text: set === undefined ? "" : `by hand ${set}` }));
    const hand = el("input", { type: "range", min: -1, max: 1, step: 0.1, value: set ?? 0, "aria-label": `Weight of ${topic}`, "aria-valuetext": set === undefined ? "not set by hand" : String(set) });
    hand.addEventListener("change", () => {
      hand.blur();
      void this.run({ do: "weight", topic, weight: Number(hand.value) });
    });
    return el("li", { class: set === undefined ? "" : "set", title: line?.words ?? "chosen at the start" },
      name,
      track,
      hand,
      el("button", { class: "mini", "aria-label": `Forget ${topic}`, text: "✕", onclick: (/** @type {Event} */ event) => {
        /** @type {HTMLElement} */ (event.currentTarget).blur();
        void this.run({ do: "forget_topic", topic });
      } }));
  }
}
