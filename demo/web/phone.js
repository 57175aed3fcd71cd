// The phone: a reel of full-height cards, moved by touch, wheel and keys.

import { el } from "./dom.js";
import { act } from "./link.js";
import { Pictures, draws } from "./native.js";
import { Rest, timeSheet } from "./time.js";

/** @typedef {import("./players.js").Players} Players */
/** @typedef {import("./sheets.js").Sheets} Sheets */

/** Cards kept in the page on each side of the current one. */
const KEPT = 2;
/** Share of the screen, and pixels a millisecond, from which a drag is a swipe. */
const FAR = 0.18;
const FAST = 0.45;
/** Milliseconds between two taps that are one double tap. */
const DOUBLE = 260;

const ICONS = {
  heart: "M12 21s-7.5-4.6-9.6-9.1C.9 8.5 2.6 5 6 5c2.1 0 3.7 1.1 6 3.700C14.3 6.1 15.9 5 18 5c3.4 0 5.1 3.5 3.6 6.900C19.5 16.4 12 21 12 21z",
  comment: "M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-7l-5 4v-4H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z",
  share: "M14 5v4C7 10 4 15 3 20c2.5-3.5 6-5.1 11-5.100V19l8-7z",
  more: "M5 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm7 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm7 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  save: "M6 3h12a1 1 0 0 1 1 1v17l-7-5-7 5V4a1 1 0 0 1 1-1z",
  sound: "M4 9v6h4l5 5V4L8 9zm12.5 3a4.5 4.5 0 0 0-2.5-4v8a4.5 4.5 0 0 0 2.5-4zM14 3.200v2.100a7 7 0 0 1 0 13.400v2.100a9 9 0 0 0 0-17.600z",
  muted: "M4 9v6h4l5 5V4L8 9zm17.6-.6-1.4-1.4-2.7 2.700L14.8 7l-1.4 1.4 2.7 2.7-2.7 2.7 1.4 1.4 2.7-2.7 2.7 2.7 1.4-1.4-2.7-2.700z",
  play: "M8 5v14l11-7z",
  captions: "M3 5h18a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zm3 5v4h4v-1.500H7.500v-1H10V10zm8 0v4h4v-1.500h-2.500v-1H18V10z",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Runs what a control does, and says what went wrong. @param {Phone} phone @param {object} command */
async function attempt(phone, command) {
  try {
    return await act(command);
  } catch (error) {
    phone.say(sentence(/** @type {Error} */ (error).message));
    return null;
  }
}

/** @param {string} words */
const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

export class Phone {
  /** @param {Players} players @param {Sheets} sheets */
  constructor(players, sheets) {
    this.players = players;
    this.sheets = sheets;
    /** @type {any} */
    this.state = { begun: false, cards: [] };
    /** @type {Map<number, Card>} */
    this.cards = new Map();
    this.feed = /** @type {HTMLElement} */ (document.getElementById("feed"));
    this.toast = /** @type {HTMLElement} */ (document.getElementById("toast"));
    this.reel = el("div", { class: "reel" });
    this.feed.append(this.reel);
    this.rest = new Rest(this.feed, (stay) => (stay ? this.pause(false) : this.go(true)), () => this.time());
    this.at = 0;
    /** @type {number | undefined} the card that was announced last */
    this.told = undefined;
    /** @type {number | undefined} the card the reel was moved to last */
    this.slid = undefined;
    this.moving = false;
    /** @type {boolean | undefined} the swipe that waits for the one under way */
    this.next = undefined;
    /** @type {boolean | undefined} what the person asked for and the core has not told of yet */
    this.pausing = undefined;
    /** The session that the cards belong to. */
    this.session = 0;
    this.pictures = new Pictures((session, position) => (session === this.session ? this.shows(position) : undefined), (words) => this.say(words));
    this.engines = /** @type {HTMLElement} */ (document.getElementById("engine"));
    this.engines.addEventListener("click", () => void this.engine());
    this.gestures();
    this.keys();
    const clock = /** @type {HTMLElement} */ (document.getElementById("clock"));
    const tick = () => {
      clock.textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    };
    tick();
    setInterval(tick, 5_000);
    setInterval(() => this.cards.get(this.at)?.stands(), 250);
  }

  /** Whether a card plays. */
  plays() {
    return this.state.begun && !this.state.paused;
  }

  /** The card on the screen. @returns {any} */
  current() {
    return this.state.cards.find((/** @type {any} */ card) => card.current);
  }

  /** @param {any} state */
  show(state) {
    this.state = { cards: [], ...state };
    if (this.pausing === this.state.paused) this.pausing = undefined;
    this.state.paused = this.pausing ?? this.state.paused;
    const net = /** @type {HTMLElement} */ (document.getElementById("net"));
    net.textContent = state.online ? "Online" : "No network";
    net.dataset.online = String(state.online);
    this.playedBy(state.player);
    if (!state.begun) return;
    if (this.session !== state.player.session) {
      // Another session counts its cards anew.
      for (const card of this.cards.values()) card.node.remove();
      this.cards.clear();
      this.session = state.player.session;
      this.told = undefined;
      this.slid = undefined;
    }
    let another = false;
    if (typeof state.current === "number" && !this.moving) this.at = state.current;
    for (const view of this.state.cards) {
      let card = this.cards.get(view.position);
      if (!card || card.item !== view.item) {
        card?.node.remove();
        card = new Card(this, view);
        this.cards.set(view.position, card);
        this.reel.append(card.node);
        another = true;
      }
      card.update(view, this.state);
    }
    if (another && this.native()) this.pictures.anew();
    for (const [position, card] of this.cards) {
      if (position < this.at - KEPT || position > this.at + KEPT + 2) {
        card.node.remove();
        this.cards.delete(position);
      } else {
        card.node.inert = position !== this.at || Boolean(this.state.resting);
        card.node.classList.toggle("here", position === this.at);
      }
    }
    this.feed.setAttribute("aria-busy", String(this.moving));
    this.rest.show(this.state.resting);
    this.place();
    if (this.slid !== this.at) this.slide(0);
    if (this.told !== state.current) {
      this.told = state.current;
      const card = this.current();
      const said = card ? `Card ${card.position + 1}. ${card.creator.name}: ${card.caption}` : "";
      /** @type {HTMLElement} */ (document.getElementById("said")).textContent = said;
    }
  }

  /** The card at this position, if pictures may be shown on it. @param {number} position */
  shows(position) {
    const card = this.cards.get(position);
    return card?.view.covered ? undefined : card;
  }

  /** Whether the core's own players play. */
  native() {
    return this.state.player?.engine === "gstreamer";
  }

  /** Takes over who plays. @param {{ engine: string, session: number, switching: boolean, heard: boolean }} player */
  playedBy(player) {
    const native = this.native();
    this.engines.setAttribute("aria-checked", String(native));
    this.engines.setAttribute("aria-disabled", String(player.switching || !draws));
    const note = !draws ? "This browser cannot draw the native engine's pictures."
      : player.switching ? "Closing the session and opening it again…"
        : native ? `The core decodes with GStreamer, and the page shows its pictures. ${player.heard ? "Sound comes from this machine's speakers." : "Silent."}`
          : "The browser's <video> elements play, fed by the core's gateway.";
    const words = /** @type {HTMLElement} */ (document.getElementById("engine-note"));
    if (words.textContent !== note) words.textContent = note;
    this.feed.classList.toggle("switching", player.switching);
    this.pictures.show(native && !player.switching);
  }

  /** Lets the other engine play. */
  async engine() {
    if (!this.state.begun || this.state.player.switching) return;
    if (!draws) return this.say("This browser cannot draw the native engine's pictures.");
    const engine = this.native() ? "browser" : "gstreamer";
    this.say("The session is closed and opened again with the other player.");
    await attempt(this, { do: "engine", engine });
  }

  /**
   * Puts every player's video into the card it belongs to. Cards may show the same clip, so an address can have several
   * players: the one that plays belongs to the card on the screen, each other one stays where it is, and a new one goes to
   * the nearest card that has none.
   */
  place() {
    if (this.native()) return;
    const cards = [...this.cards.values()].sort((a, b) => a.position - b.position);
    /** @param {Card} card */
    const of = (card) => (card.view.address ? this.players.of(card.view.address) : []);
    const here = this.cards.get(this.state.current);
    const playing = here && of(here).find((player) => player.plays);
    const taken = new Set(playing ? [playing.id] : []);
    /** @type {Map<Card, import("./players.js").Player | undefined>} */
    const holders = new Map(here && playing ? [[here, playing]] : []);
    for (const card of cards) {
      if (holders.has(card)) continue;
      const held = of(card).find((player) => player.id === card.player && !taken.has(player.id));
      if (!held) continue;
      holders.set(card, held);
      taken.add(held.id);
    }
    for (const card of cards) {
      if (holders.has(card) || card.position < this.state.current) continue;
      const free = of(card).find((player) => !taken.has(player.id));
      holders.set(card, free);
      if (free) taken.add(free.id);
    }
    for (const card of cards) card.holds(holders.get(card));
  }

  /** Moves the reel: `offset` is the drag in pixels. @param {number} offset */
  slide(offset) {
    this.slid = this.at;
    this.reel.style.transform = `translate3d(0, calc(${-this.at * 100}% + ${offset}px), 0)`;
  }

  /**
   * Swipes. One that comes while another is under way is done after it; of several, the last.
   * @param {boolean} forward
   */
  async go(forward) {
    if (!this.state.begun || this.sheets.open) return;
    this.next = forward;
    if (this.moving) return;
    this.moving = true;
    this.feed.setAttribute("aria-busy", "true");
    while (this.next !== undefined) {
      const wish = this.next;
      this.next = undefined;
      await this.step(wish);
    }
    this.moving = false;
    this.show(this.state);
  }

  /** @param {boolean} forward */
  async step(forward) {
    const target = this.at + (forward ? 1 : -1);
    const before = this.at;
    if (this.cards.has(target) && !this.state.resting) {
      this.at = target;
      this.slide(0);
    }
    const back = () => {
      this.at = before;
      this.slide(0);
    };
    try {
      const done = await act({ do: forward ? "next" : "previous" });
      if (done.resting) back();
    } catch (error) {
      back();
      this.say(sentence(/** @type {Error} */ (error).message));
    }
  }

  /** @param {boolean} [paused] */
  async pause(paused = !this.state.paused) {
    // A second press may come before the core has told of the first, and what was told before is late.
    // A break lets nothing go on before its time; what the core tells is what holds.
    if (this.state.resting) return void (await attempt(this, { do: "pause", on: paused }));
    this.state.paused = paused;
    this.pausing = paused;
    if ((await attempt(this, { do: "pause", on: paused })) === null) this.pausing = undefined;
  }

  mute() {
    if (!this.state.player?.heard) return this.say("The native engine plays silently. Start the demo with --sound to hear it.");
    this.state.muted = !this.state.muted;
    return this.run({ do: "mute", on: this.state.muted });
  }

  /** @param {boolean} on @param {boolean} double */
  async like(on, double = false) {
    const card = this.current();
    if (!card || card.covered) return;
    if (double && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.cards.get(card.position)?.heart();
    if (double && card.liked) return;
    const done = await attempt(this, { do: "like", item: card.item, position: card.position, on, double });
    if (done && !this.state.online) this.say(on ? "Liked. It goes out when there is a network." : "Taken back.");
  }

  follow() {
    const card = this.current();
    return card && this.run({ do: "follow", creator: card.creator.id, position: card.position, on: !card.followed });
  }

  save() {
    const card = this.current();
    return card && this.run({ do: "save", item: card.item, position: card.position, on: !card.saved });
  }

  /** @param {any} command */
  async run(command) {
    return attempt(this, command);
  }

  /** Shows a line for a moment. @param {string} words */
  say(words) {
    this.toast.textContent = words;
    this.toast.classList.add("up");
    clearTimeout(this.hush);
    this.hush = setTimeout(() => this.toast.classList.remove("up"), 3_500);
  }

  gestures() {
    const { feed } = this;
    /** @type {{ y: number, at: number, moved: number, id: number } | null} */
    let drag = null;
    let tapped = 0;
    /** @type {number | undefined} */
    let single;
    feed.addEventListener("pointerdown", (event) => {
      const control = /** @type {Element} */ (event.target).closest("button, input, a, .cover");
      if (control || event.button !== 0) return;
      drag = { y: event.clientY, at: event.timeStamp, moved: 0, id: event.pointerId };
      this.reel.classList.add("held");
      feed.setPointerCapture(event.pointerId);
    });
    feed.addEventListener("pointermove", (event) => {
      if (!drag || event.pointerId !== drag.id) return;
      drag.moved = event.clientY - drag.y;
      this.slide(drag.moved);
    });
    const up = (/** @type {PointerEvent} */ event) => {
      if (!drag || event.pointerId !== drag.id) return;
      const { moved, at } = drag;
      drag = null;
      this.reel.classList.remove("held");
      const speed = Math.abs(moved) / Math.max(1, event.timeStamp - at);
      // Back to its place, unless the swipe moves on in this same turn.
      this.slide(0);
      if (Math.abs(moved) > feed.clientHeight * FAR || (Math.abs(moved) > 24 && speed > FAST)) {
        void this.go(moved < 0);
        return;
      }
      if (Math.abs(moved) > 6 || event.type === "pointercancel") return;
      if (event.timeStamp - tapped < DOUBLE) {
        clearTimeout(single);
        tapped = 0;
        void this.like(true, true);
        return;
      }
      tapped = event.timeStamp;
      single = window.setTimeout(() => void this.pause(), DOUBLE);
    };
    feed.addEventListener("pointerup", up);
    feed.addEventListener("pointercancel", up);

    let wheeled = 0;
    let quiet = 0;
    feed.addEventListener("wheel", (event) => {
      event.preventDefault();
      const now = event.timeStamp;
      // A flick goes on for a while; it is one swipe until it has been quiet, or long ago.
      if (now - quiet > 160) wheeled = 0;
      quiet = now;
      if (Math.abs(event.deltaY) < 8 || now - wheeled < 600) return;
      wheeled = now;
      void this.go(event.deltaY > 0);
    }, { passive: false });
  }

  keys() {
    document.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.sheets.open) return;
      const typing = target.closest("input, textarea, select");
      if (typing) return;
      const onControl = target.closest("button, a, summary");
      const card = this.current();
      const keys = /** @type {Record<string, () => unknown>} */ ({
        ArrowDown: () => this.go(true), PageDown: () => this.go(true), j: () => this.go(true),
        ArrowUp: () => this.go(false), PageUp: () => this.go(false), k: () => this.go(false),
        ArrowLeft: () => this.seek(-2_000), ArrowRight: () => this.seek(2_000),
        m: () => this.mute(),
        l: () => this.like(!card?.liked),
        c: () => this.comments(), s: () => this.share(), w: () => this.why(),
        t: () => this.run({ do: "captions", on: !this.state.captions }),
        f: () => this.follow(), b: () => this.save(),
        x: () => this.notInterested(),
        o: () => document.dispatchEvent(new CustomEvent("network", { detail: "toggle" })),
        r: () => this.report(), u: () => this.time(), n: () => this.engine(),
        "?": () => this.sheets.keys(),
      });
      if (!onControl) keys[" "] = () => this.pause();
      const does = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!does || !this.state.begun) return;
      event.preventDefault();
      void does();
    });
  }

  /** @param {number} by milliseconds */
  seek(by) {
    const card = this.current();
    if (!card) return;
    const ms = Math.max(0, Math.min(card.durationMs - 200, this.state.playheadMs + by));
    return this.run({ do: "seek", ms: Math.round(ms) });
  }

  async comments() {
    const card = this.current();
    if (card) await this.sheets.comments(card, (command) => this.run(command), () => this.state.online);
  }

  async share() {
    const card = this.current();
    if (!card) return;
    const done = await this.run({ do: "share", item: card.item, position: card.position });
    await navigator.clipboard?.writeText(`https://example.test/v/${card.item}`).catch(() => {});
    if (done) this.say("Link copied");
  }

  time() {
    return timeSheet(this.sheets, (words) => this.say(words));
  }

  async notInterested() {
    const card = this.current();
    if (!card) return;
    const done = await this.run({ do: "not_interested", item: card.item, position: card.position });
    if (done) this.say("Noted: the next ones are chosen by it");
  }

  async why() {
    const card = this.current();
    if (!card) return;
    const told = await this.run({ do: "why", position: card.position });
    if (told) await this.sheets.why(card, told.why, told.parameters);
  }

  async report() {
    const card = this.current();
    if (!card) return;
    const reason = await this.sheets.report(card, this.state.playheadMs);
    if (!reason) return;
    const told = await this.run({ do: "report", item: card.item, reason, at_ms: Math.round(this.state.playheadMs) });
    if (!told) return;
    await this.sheets.receipts("Reported. Thank you.", told.reports, (command) => this.run(command));
    if (this.current()?.item === card.item) await this.go(true);
  }

  async more() {
    const card = this.current();
    if (!card) return;
    const choice = await this.sheets.more(card, this.state);
    switch (choice) {
      case "not_interested": return this.notInterested();
      case "why": return this.why();
      case "captions": return this.run({ do: "captions", on: !this.state.captions });
      case "block": {
        const done = await this.run({ do: "block", creator: card.creator.id, on: true });
        if (done) this.say(`You will see nothing of @${card.creator.handle} any more`);
        return done;
      }
      case "report": return this.report();
      case "receipts": return this.sheets.receipts("Your reports", (await this.run({ do: "reports" }))?.reports ?? [], (command) => this.run(command));
      case "time": return this.time();
    }
    return undefined;
  }
}

/** One card of the reel. */
export class Card {
  /** @param {Phone} phone @param {any} view */
  constructor(phone, view) {
    this.phone = phone;
    this.item = view.item;
    this.position = view.position;
    /** @type {number | undefined} */
    this.player = undefined;
    const name = `card-${view.position}`;
    const hue = [...view.item].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
    this.picture = el("div", { class: "picture", role: "img", "aria-label": view.alt || "Video" });
    this.wait = el("div", { class: "wait", "aria-hidden": "true" });
    this.big = el("div", { class: "big", "aria-hidden": "true" }, icon("play"));
    this.cues = el("p", { class: "cues" });
    this.likes = el("button", { class: "act like", "aria-pressed": "false", "aria-label": "Like", onclick: () => phone.like(!this.view.liked) }, icon("heart"), el("span", { text: "Like", "aria-hidden": "true" }));
    this.sound = el("button", { class: "act sound", "aria-pressed": "false", "aria-label": "Sound", onclick: () => phone.mute() });
    this.bar = el("input", { type: "range", class: "bar", min: 0, max: Math.max(1, view.durationMs), step: 100, value: 0, "aria-label": "Playhead" });
    this.bar.addEventListener("input", () => phone.run({ do: "seek", ms: Number(this.bar.value) }));
    this.cover = el("div", { class: "cover", hidden: true });
    const button = (/** @type {string} */ kind, /** @type {keyof typeof ICONS} */ sign, /** @type {string} */ label, /** @type {() => unknown} */ does) =>
      el("button", { class: `act ${kind}`, "aria-label": label, onclick: does }, icon(sign), el("span", { text: label, "aria-hidden": "true" }));
    const avatar = el("button", { class: "avatar", text: view.creator.name.charAt(0), onclick: () => phone.follow() });
    this.avatar = avatar;
    this.keep = el("button", { class: "act save", "aria-pressed": "false", "aria-label": "Save", onclick: () => phone.save() }, icon("save"), el("span", { text: "Save", "aria-hidden": "true" }));
    avatar.style.setProperty("--hue", String(hue));
    const tags = el("p", { class: "tags" }, ...view.topics.map((/** @type {string} */ topic) => el("span", { text: topic })), ...view.labels.filter((/** @type {string} */ l) => MARKS[l]).map((/** @type {string} */ l) => el("span", { class: "mark", text: MARKS[l] })));
    this.rail = el("div", { class: "rail" }, avatar, this.likes,
      button("comment", "comment", "Comments", () => phone.comments()),
      this.keep,
      button("share", "share", "Share", () => phone.share()),
      this.sound,
      button("more", "more", "More", () => phone.more()));
    this.words = el("div", { class: "words" }, el("h2", { id: name, text: `@${view.creator.handle}` }), el("p", { class: "caption", text: view.caption }), tags);
    this.node = el("article", { class: "card", "aria-labelledby": name, "aria-posinset": view.position + 1, "aria-setsize": -1 },
      this.picture, this.wait, el("div", { class: "shade" }), this.big, this.cover, this.cues, this.words, this.rail, this.bar);
    this.node.style.top = `${view.position * 100}%`;
    this.node.style.setProperty("--hue", String(hue));
    this.view = view;
  }

  /** @param {any} view @param {any} state */
  update(view, state) {
    this.view = view;
    this.likes.setAttribute("aria-pressed", String(view.liked));
    this.keep.setAttribute("aria-pressed", String(view.saved));
    this.avatar.setAttribute("aria-pressed", String(view.followed));
    this.avatar.setAttribute("aria-label", `Follow @${view.creator.handle}`);
    this.node.classList.toggle("failed", view.stage === "failed");
    this.covered(view);
    if (!view.current) {
      this.cues.textContent = "";
      return;
    }
    this.big.classList.toggle("up", state.paused && !view.covered);
    this.cues.textContent = state.cues.join("\n");
    this.cues.lang = state.cueLanguage ?? "";
    this.cues.hidden = state.cues.length === 0;
    if (document.activeElement !== this.bar || !this.bar.matches(":active")) this.bar.value = String(state.playheadMs);
    this.bar.setAttribute("aria-valuetext", `${(state.playheadMs / 1000).toFixed(0)} of ${(view.durationMs / 1000).toFixed(0)} seconds`);
    this.bar.style.setProperty("--done", `${(100 * state.playheadMs) / Math.max(1, view.durationMs)}%`);
    const muted = state.muted || !state.player.heard;
    if (this.muted !== muted) {
      this.muted = muted;
      this.sound.replaceChildren(icon(muted ? "muted" : "sound"), el("span", { text: muted ? "Muted" : "Sound", "aria-hidden": "true" }));
      this.sound.setAttribute("aria-pressed", String(!muted));
    }
  }

  /** Covers the card, or uncovers it. @param {any} view */
  covered(view) {
    if (this.cover.hidden === !view.covered && !(view.covered && this.reason !== view.decision?.reason)) return;
    this.cover.hidden = !view.covered;
    this.node.classList.toggle("veiled", view.covered);
    this.reason = view.decision?.reason;
    if (!view.covered) return;
    if (this.phone.native()) this.picture.replaceChildren();
    const inside = [el("h3", { text: this.reason ?? "Covered by the safety filter" }), el("p", { text: view.late ? "Its bytes have left this device." : "Nothing of it has been fetched." })];
    if (view.decision?.revealable) {
      inside.push(el("button", { class: "solid", text: "Show it anyway", onclick: () => this.phone.run({ do: "reveal", position: view.position }) }));
    }
    this.cover.replaceChildren(...inside);
  }

  /** @param {import("./players.js").Player | undefined} player */
  holds(player) {
    this.player = player?.id;
    if (!player) {
      this.picture.replaceChildren();
    } else if (player.video.parentElement !== this.picture) {
      this.picture.replaceChildren(player.video);
      // A video that was somewhere else stands still after the move.
      if (player.plays && player.video.paused) player.video.play().catch(() => {});
    }
  }

  /** Shows that the native engine waits, where it does. */
  stands() {
    const { phone } = this;
    const waits = phone.native() && phone.plays() && !phone.state.resting && phone.pictures.stands(this.position);
    this.node.classList.toggle("stands", waits);
  }

  /** Where the native engine's pictures are drawn. @returns {HTMLCanvasElement} */
  canvas() {
    const canvas = this.picture.querySelector("canvas") ?? el("canvas");
    if (!canvas.isConnected) this.picture.replaceChildren(canvas);
    return canvas;
  }

  /** A heart flies up. */
  heart() {
    const heart = el("div", { class: "burst", "aria-hidden": "true" }, icon("heart"));
    this.node.append(heart);
    heart.addEventListener("animationend", () => heart.remove());
  }
}

/** Labels that tell something and cover nothing. */
const MARKS = /** @type {Record<string, string>} */ ({
  ai_generated: "Made with AI",
  paid_promotion: "Paid promotion",
  reviewed: "Reviewed",
  conspiracy: "Disputed claim",
  state_media: "State media",
});
