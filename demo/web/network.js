// The network panel: presets and sliders that drive the shaper in front of the server.

import { el, speed } from "./dom.js";
import { act } from "./link.js";

const PRESETS = [
  ["5G", "120 Mbit/s, 18 ms"],
  ["4G", "18 Mbit/s, 50 ms"],
  ["3G", "1.6 Mbit/s, 180 ms"],
  ["train", "good, poor, and a tunnel"],
  ["offline", "nothing gets through"],
];

/** Kilobits a second of a slider's place: 100 to 200,000, in even steps of the eye. @param {number} at 0 to 100 */
const rateOf = (at) => Math.round(100 * 10 ** (at * 0.033));
/** @param {number} kbps */
const placeOf = (kbps) => Math.log10(Math.max(100, Math.min(200_000, kbps)) / 100) / 0.033;

export class Network {
  /** @param {(words: string) => void} say */
  constructor(say) {
    this.say = say;
    /** @type {string | null} */
    this.preset = null;
    this.online = true;
    this.before = "4G";
    this.buttons = new Map(PRESETS.map(([name, title]) => [name, el("button", {
      "aria-pressed": "false", title, text: name === "train" ? "Train" : name === "offline" ? "Offline" : name,
      onclick: () => this.choose(name),
    })]));
    this.rate = this.slider("Speed", 0, 100, 1, 68, (at) => speed(rateOf(at)));
    this.rtt = this.slider("Delay", 0, 600, 5, 20, (ms) => `${ms} ms`);
    this.stalls = this.slider("Answers that pause", 0, 50, 1, 0, (percent) => `${percent} %`);
    const file = el("input", { type: "file", accept: "text/*,.txt,.tsv,.log,.down,.up", "aria-label": "Play a recorded network: rows of seconds and Mbit/s" });
    file.addEventListener("change", () => this.trace(file.files?.[0]).finally(() => { file.value = ""; }));
    this.recorded = el("label", { class: "recorded", title: "A text file with a row of seconds and Mbit/s for each stretch" }, "Recorded…", file);
    this.node = el("div", { class: "network" },
      el("div", { class: "presets", role: "group", "aria-label": "Network presets" }, ...this.buttons.values(), this.recorded),
      el("div", { class: "sliders" }, this.rate.row, this.rtt.row, this.stalls.row));
    document.addEventListener("network", () => this.choose(this.online ? "offline" : this.before));
  }

  /**
   * @param {string} label @param {number} min @param {number} max @param {number} step @param {number} value
   * @param {(value: number) => string} words
   */
  slider(label, min, max, step, value, words) {
    const input = el("input", { type: "range", min, max, step, value });
    const told = el("output", { text: words(value) });
    const set = (/** @type {number} */ to) => {
      if (document.activeElement === input) return;
      input.value = String(to);
      told.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", told.textContent);
    };
    input.addEventListener("input", () => {
      told.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", told.textContent);
    });
    input.addEventListener("change", () => this.numbers());
    return { input, set, row: el("label", {}, el("span", { text: label }), input, told) };
  }

  /** @param {string} preset */
  async choose(preset) {
    if (preset !== "offline") this.before = preset;
    await this.ask({ do: "network", choice: { preset }, name: preset });
  }

  /** Plays a network from a file. @param {File | undefined} file */
  async trace(file) {
    if (!file) return;
    const lines = (await file.text()).split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
    const trace = lines.map((line) => line.split(/\s+/).map(Number));
    if (trace.length === 0 || trace.some((row) => row.length !== 2 || row.some(Number.isNaN))) {
      this.say(`${file.name} is no trace: it needs rows of seconds and Mbit/s.`);
      return;
    }
    this.before = "4G";
    await this.ask({ do: "network", choice: { trace, rtt_ms: Number(this.rtt.input.value) }, name: "recorded" });
  }

  async numbers() {
    const choice = {
      rate_kbps: rateOf(Number(this.rate.input.value)),
      rtt_ms: Number(this.rtt.input.value),
      stall_probability: Number(this.stalls.input.value) / 100,
    };
    await this.ask({ do: "network", choice, name: null });
  }

  /** @param {object} command */
  async ask(command) {
    await act(command).catch((error) => this.say(error.message));
  }

  /** @param {any} network */
  show(network) {
    this.online = network.online;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(network.preset === name || (name === "offline" && !network.online)));
    this.recorded.classList.toggle("on", network.preset === "recorded");
    const settings = network.truth?.settings;
    if (!settings) return;
    this.rate.set(placeOf(settings.rate_kbps ?? 200_000));
    this.rtt.set(settings.rtt_ms ?? 0);
    this.stalls.set(Math.round((settings.stall_probability ?? 0) * 100));
  }
}
