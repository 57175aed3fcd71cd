// The inspector: what the core does and why, and what it counted; beside what others say of it where there are others.

/* global uPlot */
import { bytes, el, millis, minutes, put, speed, whole } from "./dom.js";
import { Learner } from "./learner.js";

/** Points of the plot: a minute at four a second. */
const POINTS = 240;
/** Lines of the log that are shown. */
const LINES = 120;

const STAGES = /** @type {Record<string, string>} */ ({
  none: "nothing yet", headers: "headers", fetched: "fetched", "pre-rolled": "pre-rolled", playing: "playing", failed: "cannot play",
});
const PURPOSES = [["playback", "playing"], ["next", "next card"], ["prefetch", "fetched ahead"], ["probe", "headers"], ["offline", "kept"]];
const LOOPS = /** @type {Record<string, string>} */ ({
  normal: "The feed goes on, not round in circles.", narrowing: "One topic is taking over; the core leads away from it.", stuck: "Stuck: the core offers a way out.",
});
const CLASSES = [["prerolled", "pre-rolled"], ["cached", "cached"], ["cold", "cold"]];

/** Why something is fetched, or nothing is: the planner's own reasons. */
const REASONS = /** @type {Record<string, string>} */ ({
  danger: "about to run dry: everything else gives way",
  floor: "too little ahead of the playhead to wait",
  first: "its first second, which a player is pre-rolled on",
  pays: "saves more in expected stalls than it risks in waste",
  whole: "all of it is on the device",
  refused: "no rendition of it can be had",
  offline: "there is no network",
  probing: "its layout is being learnt: without it nobody knows which bytes to ask for",
  nearer: "its layout is asked for once that of a nearer card is known",
  retry: "failed, and waits for its next try",
  forbidden: "the device lets nothing be fetched ahead: battery, background or a metered network",
  gives_way: "gives way to the card on the screen, which is about to run dry",
  silent: "the link went silent: only the card on the screen is asked for",
  captive: "the link answers with refusals alone: only the card on the screen is asked for",
  busy: "waits for a place: as many steps run as may",
  data_left: "the data of the day would not last",
  full: "as many bytes as may lie ahead do",
  uncounted: "what a card that came back holds is being counted",
  wasteful: "its bytes would more likely be wasted than save a stall",
  enough: "enough for now: a byte fetched later costs less",
});
/** Rows of the cache that are shown. */
const CACHED = 12;

/** @param {string} title @param {string} kind @param {...Node} inside */
function panel(title, kind, ...inside) {
  return el("section", { class: `panel ${kind}`, "aria-label": title }, el("h3", { text: title }), ...inside);
}

/**
 * @typedef {object} Host where the inspector stands
 * @property {(command: object) => Promise<any>} act asks for a change
 * @property {(words: string) => void} say tells the person
 * @property {Node[]} [head] more in its heading
 * @property {Node[]} [first] panels before its own
 * @property {Node[]} [safety] more below loop and safety
 * @property {Node[]} [time] more below time and breaks
 */

export class Inspector {
  /** @param {HTMLElement} root @param {Host} host */
  constructor(root, host) {
    this.tiles = new Map(["start", "stalls", "throughput", "fetched", "unwatched", "records"].map((name) => [name, this.tile(name)]));
    this.window = el("ol", { class: "window" });
    this.doing = el("p", { class: "doing", role: "status" });
    this.plans = el("ol", { class: "plans" });
    this.plot = el("div", { class: "plot", role: "img" });
    this.purposes = el("div", { class: "purposes" });
    this.starts = el("div", { class: "starts" });
    this.books = el("table", { class: "books" });
    this.spool = el("div", { class: "spool" });
    this.loop = el("div", { class: "loop" });
    this.learner = new Learner(host.act, host.say);
    this.time = el("div", { class: "time" });
    this.cache = el("table", { class: "cache" });
    this.disk = el("p", { class: "note" });
    this.requests = el("table", { class: "requests" });
    this.client = el("span", { class: "client" });
    this.log = el("ol", { class: "log", tabindex: 0, "aria-label": "Log" });
    this.level = el("select", { "aria-label": "Level" }, ...[["all", "everything"], ["EVENT", "events"], ["INFO", "info and above"], ["WARN", "warnings"]].map(([value, text]) => el("option", { value, text })));
    this.level.addEventListener("change", () => this.relog());
    /** @type {any[]} */
    this.lines = [];
    this.byPurpose = panel("Media bytes by purpose", "half", this.purposes);
    this.twoBooks = panel("Two sets of books", "half", this.books);
    const scroll = (/** @type {string} */ label, /** @type {Node} */ table) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
    root.append(
      el("header", {}, el("h2", { text: "Unspool" }), el("span", { class: "sub", text: "inspector" }), this.client, ...(host.head ?? [])),
      el("div", { class: "tiles" }, ...this.tiles.values()),
      ...(host.first ?? []),
      panel("On the device, ahead of the thumb", "wide", this.window, this.doing),
      panel("What the planner does now, and why", "wide", this.plans),
      panel("Throughput, Mbit/s", "half", this.plot),
      panel("From swipe to first picture", "half", this.starts),
      this.byPurpose,
      this.twoBooks,
      panel("Records and intents", "half", this.spool),
      panel("What was learnt, on this device alone", "half", this.learner.node),
      panel("Loop bound and safety", "half", this.loop, ...(host.safety ?? [])),
      panel("Time and breaks", "half", this.time, ...(host.time ?? [])),
      panel("Cache by asset", "wide", scroll("Cached renditions", this.cache), this.disk),
      panel("Every request that left", "wide", scroll("Requests", this.requests)),
      panel("Log", "wide", this.level, this.log),
    );
    /** @type {number[][]} */
    this.points = [[], [], [], []];
    this.shown = /** @type {Map<number, string[]>} */ (new Map());
    this.last = null;
    this.reducing = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** @param {string} name */
  tile(name) {
    const titles = /** @type {Record<string, string>} */ ({
      start: "start, p50", stalls: "stood still", throughput: "estimate", fetched: "fetched", unwatched: "fetched, not read", records: "records delivered",
    });
    return el("div", { class: "tile", id: `tile-${name}` }, el("strong", { text: "–" }), el("span", { text: titles[name] }));
  }

  /** @param {string} name @param {string} words @param {string} [mood] */
  set(name, words, mood = "") {
    const tile = this.tiles.get(name);
    put(tile.firstChild, words);
    tile.dataset.mood = mood;
  }

  /** @param {any} now */
  show(now) {
    this.now = now;
    this.feed = now.feed ?? { online: true, paused: false, playheadMs: 0, hidden: 0, cards: [] };
    put(this.client, now.client ?? now.name);
    this.showTiles(now);
    this.showWindow();
    this.showPlans(now.plans);
    this.showCache(now.cache);
    this.showPlot(now);
    this.showPurposes(now.bytes);
    this.showStarts(now.story);
    this.showBooks(now);
    this.showSpool(now);
    this.showLoop(now);
    this.learner.show(now.learner, now.writable !== false);
    this.showTime(now.time);
    this.showRequests(now.outbound);
    if (now.log.length > 0) {
      this.lines.push(...now.log);
      this.lines.splice(0, this.lines.length - LINES);
      this.relog();
    }
    this.n = (this.n ?? 0) + 1;
    /** @type {any} */ (window).unspool = { ...now, n: this.n };
  }

  /** @param {any} now */
  showTiles(now) {
    const all = now.story.starts.filter((/** @type {any} */ c) => c.latency.n > 0);
    const best = all[0];
    if (best) put(this.tiles.get("start").lastChild, `${CLASSES.find(([name]) => name === best.class)?.[1]} start, p50`);
    this.set("start", best ? millis(best.latency.p50) : "–", best && best.latency.p50 < 100 ? "good" : "");
    const watched = Math.max(1, now.watchedMs + now.story.stallMs);
    this.set("stalls", now.story.stalls === 0 ? "never" : `${now.story.stalls} × ${millis(now.story.stallMs / now.story.stalls)}`, now.story.stallMs / watched < 0.01 ? "good" : "poor");
    this.set("throughput", now.estimateBps > 0 ? speed(now.estimateBps / 1000) : "–");
    this.set("fetched", bytes(now.bytes.network));
    const share = now.bytes.media > 0 ? Math.round((100 * now.bytes.wasted) / now.bytes.media) : 0;
    this.set("unwatched", `${share} %`);
    this.set("records", `${whole(now.out.delivered)} / ${whole(now.out.recorded)}`, now.out.queued === 0 ? "good" : "");
  }

  showWindow() {
    const cards = this.feed.cards;
    while (this.window.children.length > cards.length) this.window.lastChild.remove();
    cards.forEach((/** @type {any} */ card, /** @type {number} */ n) => {
      let row = this.window.children[n];
      if (!row) {
        row = el("li", {}, el("span", { class: "place" }), el("span", { class: "stage" }), el("span", { class: "who" }), el("span", { class: "track" }, el("i", { class: "played" }), el("i", { class: "held" })), el("span", { class: "told" }));
        this.window.append(row);
      }
      const [place, stage, who, track, told] = row.children;
      const name = card.covered ? "covered" : card.stage;
      row.dataset.stage = name;
      const at = card.current ? this.feed.playheadMs : 0;
      const length = Math.max(1, card.durationMs);
      put(place, card.current ? "▶" : `+${n}`);
      const still = card.stage === "playing" && this.feed.paused;
      put(stage, card.covered ? "covered" : still ? "stands still" : STAGES[card.stage] ?? card.stage);
      put(who, `@${card.handle} · ${card.caption}`);
      track.children[0].style.width = `${Math.min(100, (100 * at) / length)}%`;
      track.children[1].style.left = `${Math.min(100, (100 * at) / length)}%`;
      track.children[1].style.width = `${Math.max(0, Math.min(100 - (100 * at) / length, (100 * card.aheadMs) / length))}%`;
      put(told, card.covered ? "0 bytes" : `${(Math.min(length, at + card.aheadMs) / 1000).toFixed(1)} of ${(length / 1000).toFixed(1)} s${card.rendition ? ` · ${card.rendition}p ${card.container ?? ""}` : ""}`);
      row.setAttribute("aria-label", `Card ${card.position + 1}, ${stage.textContent}, ${told.textContent}`);
    });
    put(this.doing, this.sentence(cards));
  }

  /** What is done about each card, and why. @param {any[]} plans */
  showPlans(plans) {
    const cards = this.feed.cards;
    while (this.plans.children.length > plans.length) this.plans.lastChild.remove();
    plans.forEach((plan, n) => {
      let row = this.plans.children[n];
      if (!row) {
        row = el("li", {}, el("span", { class: "place" }), el("span", { class: "what" }), el("span", { class: "why" }));
        this.plans.append(row);
      }
      const place = cards.findIndex((/** @type {any} */ card) => card.position === plan.position);
      const fetching = plan.bytes > 0;
      row.dataset.reason = plan.reason;
      row.dataset.doing = fetching ? "fetch" : plan.reason === "whole" ? "done" : "wait";
      put(row.children[0], place === 0 && cards[0].current ? "▶" : place > 0 ? `+${place}` : `#${plan.position}`);
      put(row.children[1], fetching ? `fetches ${bytes(plan.bytes)}, up to ${(plan.toMs / 1000).toFixed(1)} s` : plan.reason === "whole" ? "nothing left to fetch" : "fetches nothing");
      put(row.children[2], REASONS[plan.reason] ?? plan.reason);
    });
    if (plans.length === 0) this.plans.append(el("li", {}, el("span", { class: "place" }), el("span", { class: "what", text: "nothing to plan for" }), el("span", { class: "why", text: "no feed is open" })));
  }

  /** What is on the disk, by asset. @param {any} cache */
  showCache(cache) {
    if (!cache) return;
    const text = JSON.stringify(cache);
    const now = Date.now();
    // Ages change without the cache.
    if (text === this.cacheTold && now - this.cacheAt < 1000) return;
    [this.cacheTold, this.cacheAt] = [text, now];
    const rows = cache.rows.slice(0, CACHED).map((/** @type {any} */ row) => {
      const track = el("span", { class: "track", "aria-hidden": "true" });
      const full = row.size ?? row.bytes;
      for (const [start, end] of row.spans) {
        const bar = el("i", { class: row.pinned ? "kept" : "used" });
        bar.style.left = `${(100 * start) / Math.max(1, full)}%`;
        bar.style.width = `${Math.max(0.4, (100 * (end - start)) / Math.max(1, full))}%`;
        track.append(bar);
      }
      const parts = row.files > 1 ? `${row.files} files` : row.size !== null && row.bytes >= row.size ? "whole" : `${row.stretches} stretch${row.stretches === 1 ? "" : "es"}`;
      return el("tr", {}, el("th", { scope: "row", text: `${row.asset} · ${row.rendition}` }), el("td", { class: "num", text: bytes(row.bytes) }), el("td", { class: "num", text: row.size === null ? "–" : bytes(row.size) }),
        el("td", {}, track), el("td", { text: parts }), el("td", { class: row.pinned ? "same" : "", text: row.offline ? `offline, ${row.offline}` : row.pinned ? "pinned" : "may go" }), el("td", { class: "num", text: `${minutes(Math.max(0, now - row.usedAt))} ago` }));
    });
    this.cache.replaceChildren(
      el("thead", {}, el("tr", {}, ...[["rendition", ""], ["on disk", "num"], ["of", "num"], ["where", ""], ["in", ""], ["keeping", ""], ["used", "num"]].map(([text, kind]) => el("th", { scope: "col", class: kind, text })))),
      el("tbody", {}, ...rows));
    const more = cache.renditions - rows.length;
    put(this.disk, `${whole(cache.renditions)} rendition${cache.renditions === 1 ? "" : "s"}, ${bytes(cache.bytes)} of ${bytes(cache.budget)}${cache.pinned > 0 ? `, ${bytes(cache.pinned)} pinned` : ""}${more > 0 ? `; ${whole(more)} used longer ago are not listed` : ""}${cache.inMemory ? " · in memory: the disk gives no place" : ""}${cache.readThrough ? " · the disk is full: read through" : ""}${cache.damaged > 0 ? ` · ${cache.damaged} damaged blocks dropped` : ""}`);
  }

  /** What is being done now, in a sentence. @param {any[]} cards */
  sentence(cards) {
    const now = this.now;
    if (!now || cards.length === 0) return "Waiting for the first page.";
    if (now.time.resting) return "A break stands: nothing plays, whoever asks.";
    const flying = now.outbound.filter((/** @type {any} */ r) => r.ms === null || r.ms === undefined);
    const media = flying.filter((/** @type {any} */ r) => r.purpose === "media");
    if (!this.feed.online) return "No network: plays what is on the device, writes everything else down.";
    if (media.length === 0) {
      const rest = flying[0];
      return rest ? `Talking to the server: ${rest.purpose}.` : "Resting: enough is on the device, and a byte fetched now might never be watched.";
    }
    const got = media.reduce((/** @type {number} */ sum, /** @type {any} */ r) => sum + r.received, 0);
    const thin = cards.find((card) => !card.covered && card.aheadMs < 3000 && card.stage !== "failed" && card.aheadMs + (card.current ? this.feed.playheadMs : 0) < card.durationMs - 200) ?? cards[0];
    return `Fetching over ${media.length} request${media.length > 1 ? "s" : ""} (${bytes(got)} so far); thinnest is ${thin.current ? "the card on the screen" : `card +${cards.indexOf(thin)}`} with ${(thin.aheadMs / 1000).toFixed(1)} s ahead.`;
  }

  /** @param {any} now */
  showPlot(now) {
    const t = performance.now() / 1000;
    const received = this.last ? ((now.bytes.network - this.last.bytes) * 8) / (t - this.last.t) / 1e6 : 0;
    this.last = { t, bytes: now.bytes.network };
    const truth = now.network?.truth?.bps;
    const shown = (/** @type {number | null | undefined} */ mbit) => (mbit === null || mbit === undefined ? null : Math.max(0.05, mbit));
    const row = [t, shown(truth === null || truth === undefined ? null : truth / 1e6), shown(now.estimateBps > 0 ? now.estimateBps / 1e6 : null), shown(received)];
    row.forEach((value, n) => {
      this.points[n].push(/** @type {number} */ (value));
      if (this.points[n].length > POINTS) this.points[n].shift();
    });
    this.plot.setAttribute("aria-label", `Throughput: estimate ${speed(now.estimateBps / 1000)}, ${!now.network ? "" : truth === null || truth === undefined ? "network without a limit, " : `network ${speed(truth / 1000)}, `}received ${speed(received * 1000)}`);
    const width = this.plot.clientWidth;
    if (width === 0) return;
    if (!this.chart) {
      const axis = { stroke: "#9aa3b5", grid: { stroke: "#232938", width: 1 }, ticks: { show: false }, font: "11px system-ui" };
      this.chart = new uPlot({
        width, height: 170, cursor: { show: false }, legend: { show: false },
        scales: { x: { time: false, range: (/** @type {any} */ _u, /** @type {number} */ _min, /** @type {number} */ max) => [max - POINTS / 4, max] }, y: { distr: 3, range: (/** @type {any} */ _u, /** @type {number} */ _min, /** @type {number} */ max) => [0.05, Math.max(10, (max ?? 10) * 1.6)] } },
        axes: [{ ...axis, size: 26, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((v) => `${Math.round(v - this.points[0][this.points[0].length - 1])} s`) }, { ...axis, size: 40, splits: () => [0.1, 1, 10, 100, 1000], filter: (/** @type {any} */ _u, /** @type {number[]} */ at) => at, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map(String) }],
        series: [
          {},
          { label: "network", stroke: "#7d879b", width: 1.5, dash: [5, 4], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
          { label: "estimate", stroke: "#39d0b8", width: 2, points: { show: false } },
          { label: "received", stroke: "#ff7a59", width: 1, fill: "rgba(255,122,89,.18)", points: { show: false } },
        ],
      }, this.points, this.plot);
      this.plot.after(el("ul", { class: "legend" }, ...[...(now.network ? [["truth", "the shaper lets through"]] : []), ["estimate", "the core's estimate"], ["received", "received"]].map(([kind, text]) => el("li", { class: kind, text }))));
    } else {
      if (this.chart.width !== width) this.chart.setSize({ width, height: 170 });
      this.chart.setData(this.points);
    }
  }

  /** @param {any} all */
  showPurposes(all) {
    const most = Math.max(1, ...all.purposes.map((/** @type {any} */ p) => p.network));
    const rows = PURPOSES.map(([name, words]) => {
      const account = all.purposes.find((/** @type {any} */ p) => p.purpose === name);
      return { words, ...account };
    }).filter((row) => row.purpose !== "offline" || row.network > 0);
    if (this.purposes.children.length !== rows.length + 1) {
      this.purposes.replaceChildren(...rows.map((row) => el("div", { class: "row" }, el("span", { text: row.words }), el("span", { class: "track" }, el("i", { class: "used" }), el("i", { class: "waste" })), el("span", { class: "told" }))), el("p", { class: "note" }));
    }
    rows.forEach((row, n) => {
      const [, track, told] = this.purposes.children[n].children;
      track.children[0].style.width = `${(100 * (row.network - row.wasted)) / most}%`;
      track.children[1].style.width = `${(100 * row.wasted) / most}%`;
      put(told, row.wasted > 0 ? `${bytes(row.network)}, ${bytes(row.wasted)} not read` : bytes(row.network));
    });
    put(this.purposes.lastChild, `Read from the cache ${bytes(all.fromCache)} · on disk ${bytes(all.onDisk)} · came twice ${bytes(all.duplicate)}`);
  }

  /** @param {any} story */
  showStarts(story) {
    const count = story.bins.length + 1;
    if (this.starts.children.length === 0) {
      const names = [...story.bins.map((/** @type {number} */ ms, /** @type {number} */ n) => (n % 2 === 0 ? (ms < 1000 ? String(ms) : `${ms / 1000}s`) : "")), "more"];
      this.starts.append(
        el("div", { class: "columns", role: "img" }, ...Array.from({ length: count }, () => el("div", { class: "column" }, ...[...CLASSES].reverse().map(([name]) => el("i", { class: name }))))),
        el("div", { class: "axis", "aria-hidden": "true" }, ...names.map((text) => el("span", { text }))),
        el("ul", { class: "legend" }, ...CLASSES.map(([name]) => el("li", { class: name }))),
      );
    }
    const [columns, , legend] = this.starts.children;
    const tall = Math.max(1, ...Array.from({ length: count }, (_, n) => story.starts.reduce((/** @type {number} */ sum, /** @type {any} */ c) => sum + c.bins[n], 0)));
    for (let n = 0; n < count; n += 1) {
      [...CLASSES].reverse().forEach(([name], row) => {
        const bins = story.starts.find((/** @type {any} */ c) => c.class === name)?.bins ?? [];
        columns.children[n].children[row].style.height = `${(100 * (bins[n] ?? 0)) / tall}%`;
      });
    }
    const words = CLASSES.map(([name, title], n) => {
      const latency = story.starts.find((/** @type {any} */ c) => c.class === name)?.latency;
      const text = latency?.n ? `${title}: ${latency.n}, median ${millis(latency.p50)}, p95 ${millis(latency.p95)}` : `${title}: none`;
      put(legend.children[n], text);
      return text;
    });
    columns.setAttribute("aria-label", words.join("; "));
  }

  /** @param {any} now */
  showBooks(now) {
    const origin = now.origin;
    this.twoBooks.hidden = origin === undefined;
    this.byPurpose.classList.toggle("wide", origin === undefined);
    if (origin === undefined) return;
    const none = origin === null || origin === undefined || origin.error;
    const rows = [
      ["bytes received", "bytes", now.bytes.network, none ? null : origin.bytes],
      ["requests answered", "requests", now.requests.answered, none ? null : origin.requests],
      ["records delivered", "records", now.out.delivered, none ? null : origin.records],
      ["viewings that ended", "viewings", now.story.ended, none ? null : origin.impressions],
    ];
    const cells = rows.map(([words, id, ours, theirs]) => {
      const same = theirs === null ? null : ours === theirs;
      return el("tr", { id: `books-${id}` }, el("th", { scope: "row", text: words }), el("td", { class: "ours", text: whole(Number(ours)) }), el("td", { class: "theirs", text: theirs === null ? "–" : whole(Number(theirs)) }), el("td", { class: same === null ? "" : same ? "same" : "differ", text: same === null ? "" : same ? "equal" : "under way" }));
    });
    this.books.replaceChildren(el("caption", { text: none ? "Without a server there is one set" : "The core's count and the server's own log" }), el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col", text: "core" }), el("th", { scope: "col", text: "server" }), el("td"))), el("tbody", {}, ...cells));
  }

  /** @param {any} now */
  showSpool(now) {
    const out = now.out;
    const flow = (/** @type {string} */ name, /** @type {number} */ total, /** @type {[string, number, string][]} */ parts) => {
      const sum = parts.reduce((all, part) => all + part[1], 0);
      return el("div", { class: "flow" },
        el("p", {}, el("strong", { text: `${whole(total)} ${name}` }), el("span", { class: sum === total ? "same" : "differ", text: sum === total ? "all accounted for" : `${Math.abs(total - sum)} unaccounted` })),
        el("span", { class: "track" }, ...parts.map(([, n, kind]) => { const bar = el("i", { class: kind }); bar.style.width = `${(100 * n) / Math.max(1, total)}%`; return bar; })),
        el("p", { class: "note", text: parts.filter(([, n], place) => n > 0 || place < 2).map(([words, n]) => `${words} ${whole(n)}`).join(" · ") }));
    };
    this.spool.replaceChildren(
      flow("records written down", out.recorded, [["delivered", out.delivered, "used"], ["waiting on disk", out.queued, "waste"], ["given up", out.dropped, "lost"], ["refused", out.quarantined, "lost"]]),
      flow("likes, comments and choices", out.intents, [["delivered", out.intentsDelivered, "used"], ["waiting on disk", out.intentsQueued, "waste"], ["refused", out.intentsWedged, "lost"], ["changed before they left", out.intentsSettled, "needless"]]),
    );
  }

  /** @param {any} now */
  showLoop(now) {
    for (const card of this.feed.cards) if (card.current) this.shown.set(card.position, card.topics);
    const ten = [...this.shown.entries()].sort((a, b) => b[0] - a[0]).slice(0, 10);
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const [, topics] of ten) for (const topic of topics) counts.set(topic, (counts.get(topic) ?? 0) + 1);
    const [topic, most] = [...counts.entries()].sort((a, b) => b[1] - a[1])[0] ?? ["–", 0];
    const mood = now.loop?.state ?? "normal";
    const enough = now.loop?.enoughOf ?? [];
    this.loop.replaceChildren(
      el("p", { class: mood === "normal" ? "same" : "differ", text: `${LOOPS[mood]}${enough.length > 0 ? ` The server sends so much of ${enough.join(", ")} that little else has room.` : ""}` }),
      el("p", {}, el("strong", { text: `${most} of ${ten.length}` }), ` cards shown last are about ${topic}`),
      el("ul", { class: "topics" }, ...ten.map(([, topics]) => el("li", { text: topics[0] ?? "" }))),
      el("p", { class: "note", text: `Safety rules version ${now.rules} · ${whole(this.feed.hidden)} hidden · a hidden or covered card costs no byte` }),
    );
  }

  /** @param {any} time */
  showTime(time) {
    const line = (/** @type {string} */ words, /** @type {number} */ ms, /** @type {number} */ limitMin, /** @type {string} */ measure) => {
      const bar = el("i", { class: limitMin > 0 && ms >= limitMin * 60_000 ? "lost" : "used" });
      bar.style.width = `${limitMin > 0 ? Math.min(100, ms / (limitMin * 600)) : 0}%`;
      return el("div", { class: "row" }, el("span", { text: words }), el("span", { class: "track" }, bar), el("span", { class: "told", text: limitMin > 0 ? `${minutes(ms)} of ${minutes(limitMin * 60_000)}, then ${measure}` : `${minutes(ms)}, no limit` }));
    };
    const { limits, resting } = time;
    const text = JSON.stringify([limits, resting?.number, Math.floor(time.todayMs / 1000)]);
    if (text === this.timeTold) return;
    this.timeTold = text;
    this.time.replaceChildren(
      el("div", { class: "purposes" }, line("today", time.todayMs, limits.dailyMin, limits.atDaily), line("since a rest", time.stretchMs, limits.breakMin, limits.atBreak)),
      el("p", { class: resting ? "differ" : "same", text: resting ? `A break stands (${resting.cause}, ${resting.measure}): no call makes anything play.` : "No break stands." }),
      el("p", { class: "note", text: `${limits.autoplay ? "Videos begin by themselves" : "Videos wait for a tap"}, ${limits.endless ? "pages do not end" : "pages end"}. Counted by the device's own clock, kept over restarts, never sent.` }));
  }

  /** @param {any[]} list */
  showRequests(list) {
    const rows = list.slice(0, 14).map((r) => el("tr", { class: r.ms === null || r.ms === undefined ? "flying" : r.status >= 400 || r.status === 0 ? "bad" : "" },
      el("td", { text: `#${r.n}` }), el("td", { text: new Date(r.at).toLocaleTimeString("en-GB") }), el("td", { text: r.purpose }), el("td", { text: r.host }),
      el("td", { class: "num", text: bytes(r.sent) }), el("td", { class: "num", text: bytes(r.received) }),
      el("td", { class: "num", text: r.ms === null || r.ms === undefined ? "under way" : r.status === 0 ? (r.purpose === "prewarm" ? "connected" : "no answer") : String(r.status) }), el("td", { class: "num", text: millis(r.ms) })));
    this.requests.replaceChildren(el("thead", {}, el("tr", {}, ...["no.", "at", "for", "host", "out", "in", "answer", "took"].map((text) => el("th", { scope: "col", text })))), el("tbody", {}, ...rows));
  }

  relog() {
    const level = this.level.value;
    const order = ["DEBUG", "INFO", "WARN", "ERROR"];
    const wanted = this.lines.filter((line) => level === "all" || line.level === level || (level !== "EVENT" && order.indexOf(line.level) >= order.indexOf(level)));
    const down = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 12;
    this.log.replaceChildren(...wanted.map((line) => el("li", { class: line.level.toLowerCase() }, el("b", { text: line.level.toLowerCase() }), ` ${line.text}`)));
    if (down) this.log.scrollTop = this.log.scrollHeight;
  }
}
