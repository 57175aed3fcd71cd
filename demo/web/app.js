// Begins everything, and hands what the demo tells to the phone, its players and the inspector.

import { act, listen } from "./link.js";
import { Beside } from "./beside.js";
import { Phone } from "./phone.js";
import { Players } from "./players.js";
import { Sheets } from "./sheets.js";

const sheets = new Sheets();
const players = new Players(() => phone.place());
const phone = new Phone(players, sheets);
const inspector = new Beside(phone);
// For whoever looks at the page from outside.
/** @type {any} */ (window).phone = phone;

let alive = false;
let begun = false;

listen(
  {
    player: (wish) => players.take(wish),
    phone: (state) => {
      phone.show(state);
      if (!state.begun && !begun) void choose();
      begun = true;
    },
    figures: (figures) => inspector.show(figures),
    taken: () => {
      // Nobody tells these players anything any more.
      players.reset();
      phone.place();
      phone.pictures.show(false);
      phone.say("The phone is open in another window.");
    },
  },
  (now) => {
    if (now && !alive) players.reset();
    if (!now && alive) phone.say("The demo has ended. Run make demo again.");
    alive = now;
    document.body.classList.toggle("dead", !now);
  },
);

/** The first start: interests, then the feed. */
async function choose() {
  // Days and nights are those of the person.
  await act({ do: "zone", minutes: -new Date().getTimezoneOffset() }).catch(() => {});
  const { topics, chosen } = await act({ do: "topics" }).catch(() => ({ topics: [], chosen: [] }));
  let interests = null;
  if (chosen.length === 0 && topics.length > 0) interests = await sheets.interests(topics);
  await act({ do: "begin", interests }).catch((error) => phone.say(error.message));
  document.getElementById("feed")?.focus({ preventScroll: true });
}

// A phone in a pocket plays nothing: the card stands still while nobody can see it.
let pausedForHiding = false;
// A page that goes is hidden as well; that nobody looks any more the demo sees by itself.
let leaving = false;
window.addEventListener("pagehide", () => (leaving = true));
window.addEventListener("pageshow", () => (leaving = false));
document.addEventListener("visibilitychange", () => {
  if (document.hidden && !leaving && phone.plays()) {
    pausedForHiding = true;
    void phone.pause(true);
  } else if (!document.hidden && pausedForHiding) {
    pausedForHiding = false;
    void phone.pause(false);
  }
});
