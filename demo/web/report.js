// Draws the report of a session from the data that stand beside it. A plain script: the page is one file.
"use strict";
(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const { figures, moments } = told;
  const root = document.getElementById("report");
  const el = (tag, set = {}, ...inside) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(set)) name === "text" ? (node.textContent = value) : node.setAttribute(name, value);
    node.append(...inside);
    return node;
  };
  const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(0)} kB` : `${n} B`);
  const whole = (n) => Number(n).toLocaleString("en");
  const millis = (ms) => (ms === null || ms === undefined ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
  const panel = (title, kind, ...inside) => el("section", { class: `panel ${kind}`, "aria-label": title }, el("h3", { text: title }), ...inside);
  const table = (caption, heads, rows) => el("table", { class: "books" }, el("caption", { text: caption }),
    el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))),
    el("tbody", {}, ...rows.map(([head, ...cells]) => el("tr", {}, el("th", { scope: "row", text: head }), ...cells.map((text) => el("td", { text }))))));
  const tile = (text, words) => el("div", { class: "tile" }, el("strong", { text }), el("span", { text: words }));

  const { story, out, origin } = figures;
  const best = story.starts.find((one) => one.latency.n > 0);
  const minutes = told.seconds / 60;
  root.append(
    el("header", {}, el("h2", { text: "Unspool" }), el("span", { class: "sub", text: "report of a session" }), el("span", { class: "client", text: figures.client })),
    el("div", { class: "tiles" },
      tile(minutes < 2 ? `${told.seconds.toFixed(0)} s` : `${minutes.toFixed(1)} min`, "long"),
      tile(whole(story.shown), "cards shown"),
      tile(best ? millis(best.latency.p50) : "–", `${best?.class ?? ""} start, median`),
      tile(story.stalls === 0 ? "never" : millis(story.stallMs), "stood still"),
      tile(bytes(figures.bytes.network), "fetched"),
      tile(`${whole(out.delivered)} / ${whole(out.recorded)}`, "records delivered")),
  );

  const plots = [];
  const plot = (title, axis, series, log) => {
    const box = el("div", { class: "plot", role: "img", "aria-label": title });
    root.append(panel(title, "wide", box, el("ul", { class: "legend" }, ...series.map((one) => el("li", { class: one.kind, text: one.label })))));
    const line = { stroke: "#9aa3b5", grid: { stroke: "#232938", width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const floor = (value) => (log && value !== null ? Math.max(0.05, value) : value);
    const data = [moments.map((one) => one.t), ...series.map((one) => moments.map((moment, n) => floor(one.value(moment, moments[n - 1]))))];
    plots.push(() => new uPlot({
      width: box.clientWidth, height: 200, legend: { show: false },
      scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
      axes: [{ ...line, values: (_, at) => at.map((v) => `${v} s`) }, { ...line, size: 56, label: axis, labelSize: 18, labelFont: "11px system-ui", ...(log ? { splits: () => [0.1, 1, 10, 100, 1000], filter: (_, at) => at } : {}) }],
      series: [{}, ...series.map((one) => ({ stroke: one.colour, width: 1.5, fill: one.fill, points: { show: false } }))],
    }, data, box));
  };
  plot("Throughput", "Mbit/s", [
    { kind: "truth", label: "what got through", colour: "#7d879b", value: (m) => (m.truth === null ? null : m.truth / 1e6) },
    { kind: "estimate", label: "the core's estimate", colour: "#39d0b8", value: (m) => (m.estimate > 0 ? m.estimate / 1e6 : null) },
    { kind: "received", label: "received", colour: "#ff7a59", fill: "rgba(255,122,89,.18)", value: (m, before) => (before ? ((m.network - before.network) * 8) / (m.t - before.t) / 1e6 : 0) },
  ], true);
  plot("Held ahead", "seconds", [
    { kind: "estimate", label: "the card on the screen", colour: "#39d0b8", value: (m) => m.ahead[0] / 1000 },
    { kind: "prerolled", label: "the next card", colour: "#a993ff", value: (m) => m.ahead[1] / 1000 },
  ], false);
  plot("Bytes", "MB", [
    { kind: "received", label: "fetched", colour: "#ff7a59", value: (m) => m.network / 1e6 },
    { kind: "cached", label: "of these, not read so far", colour: "#ffc24b", value: (m) => m.wasted / 1e6 },
  ], false);

  const bins = [...story.bins.map((ms) => `below ${millis(ms)}`), "more"];
  root.append(
    panel("From swipe to first picture", "half", table("Cards by how they started", ["", ...story.starts.map((one) => one.class)],
      [["cards", ...story.starts.map((one) => whole(one.latency.n))], ["median", ...story.starts.map((one) => millis(one.latency.p50))], ["p95", ...story.starts.map((one) => millis(one.latency.p95))],
        ...bins.map((name, n) => [name, ...story.starts.map((one) => (one.bins[n] ? whole(one.bins[n]) : ""))]).filter((row) => row.slice(1).some(Boolean))])),
    panel("Media bytes by purpose", "half", table("Fetched for, and what of it no player read", ["", "fetched", "not read", "from the cache"],
      figures.bytes.purposes.filter((one) => one.network + one.fromCache > 0).map((one) => [one.purpose, bytes(one.network), bytes(one.wasted), bytes(one.fromCache)]))),
    panel("Two sets of books", "half", table(origin && !origin.error ? "The core's count and the server's own log" : "There was no server", ["", "core", "server"], [
      ["bytes received", whole(figures.bytes.network), origin?.bytes === undefined ? "–" : whole(origin.bytes)],
      ["requests answered", whole(figures.requests.answered), origin?.requests === undefined ? "–" : whole(origin.requests)],
      ["records delivered", whole(out.delivered), origin?.records === undefined ? "–" : whole(origin.records)],
      ["viewings", whole(story.ended), origin?.impressions === undefined ? "–" : whole(origin.impressions)],
    ])),
    panel("Records and intents", "half", table("Every one is accounted for", ["", "written down", "delivered", "waiting", "refused or given up", "needless"], [
      ["records", whole(out.recorded), whole(out.delivered), whole(out.queued), whole(out.dropped + out.quarantined), ""],
      ["intents", whole(out.intents), whole(out.intentsDelivered), whole(out.intentsQueued), whole(out.intentsWedged), whole(out.intentsSettled)],
    ])),
  );
  for (const draw of plots) draw();
})();
