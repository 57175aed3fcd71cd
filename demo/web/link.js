// The link to the demo's server: commands and what players tell go out by POST, everything else comes as events.

/**
 * Asks for something to be done.
 * @param {object} command
 * @returns {Promise<any>} the answer; rejects with the reason in words
 */
export async function act(command) {
  const answer = await fetch("do", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(command),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? `the demo answered ${answer.status}`);
  return said;
}

/** @type {object[]} */
let waiting = [];
let telling = false;

/**
 * Tells the core what a player did. Reports arrive in the order they were told, and soon: the first of a batch at once.
 * @param {object} report
 */
export function tell(report) {
  waiting.push(report);
  if (!telling) void flush();
}

async function flush() {
  telling = true;
  // What is told in the same turn goes together.
  await Promise.resolve();
  while (waiting.length > 0) {
    const body = JSON.stringify(waiting);
    waiting = [];
    try {
      await fetch("told", { method: "POST", headers: { "content-type": "application/json" }, body });
    } catch {
      // The demo has ended, or is about to say why it does not answer.
    }
  }
  telling = false;
}

/**
 * Listens to the demo.
 * @param {Record<string, (value: any) => void>} handlers by name of the event
 * @param {(alive: boolean) => void} state told when the link breaks and when it is back
 */
export function listen(handlers, state) {
  const source = new EventSource("events");
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  }
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  source.addEventListener("taken", () => source.close());
}
