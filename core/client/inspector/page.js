// The inspector alone, as a host app serves it: figures come as events, changes go out by POST where they are taken.

import { put } from "./dom.js";
import { Inspector } from "./inspector.js";

/** How long something that was said stands. */
const STANDS = 4000;

const said = /** @type {HTMLElement} */ (document.getElementById("said"));
let silence = 0;

/** @param {string} words */
function say(words) {
  put(said, words);
  clearTimeout(silence);
  silence = setTimeout(() => put(said, ""), STANDS);
}

/** @param {object} command */
async function act(command) {
  const answer = await fetch("act", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(command) });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error ?? `the inspector answered ${answer.status}`);
  return told;
}

const inspector = new Inspector(/** @type {HTMLElement} */ (document.getElementById("inspector")), { act, say });
const source = new EventSource("events");
source.addEventListener("figures", (event) => inspector.show(JSON.parse(/** @type {MessageEvent} */ (event).data)));
source.addEventListener("open", () => document.body.classList.remove("dead"));
source.addEventListener("error", () => {
  document.body.classList.add("dead");
  say(source.readyState === EventSource.CLOSED ? "The inspector has ended: open the address the app gives now." : "The app does not answer; asking again.");
});
