// The pictures of the native engine: the core's players decode, the page asks for one picture after the other and draws it on
// the card it belongs to. It asks when it has drawn, so it gets as many as it can draw, and always the newest.

/** Milliseconds without a picture from which a card that plays counts as standing still. */
const STANDS = 700;
/** Milliseconds until the demo is asked again when it did not answer. */
const AGAIN = 500;

/** Whether this browser draws pictures as decoders give them. */
export const draws = "VideoFrame" in window;

export class Pictures {
  /**
   * @param {(session: number, position: number) => import("./phone.js").Card | undefined} card
   * @param {(words: string) => void} say
   */
  constructor(card, say) {
    this.card = card;
    this.say = say;
    this.on = false;
    this.asks = false;
    this.number = 0;
    this.question = new AbortController();
    /** @type {{ position: number, at: number }} the card that was drawn last, and when */
    this.last = { position: -1, at: 0 };
  }

  /** Begins to show pictures, or ends. @param {boolean} on */
  show(on) {
    this.on = on && draws;
    if (this.on && !this.asks) void this.ask();
    if (!this.on && this.asks) this.anew();
  }

  /** Asks for the pictures that stand on the cards, too: there is a card that did not hear of its own. */
  anew() {
    this.number = 0;
    this.question.abort();
  }

  /** Whether the card at this position has had no picture for a while. @param {number} position */
  stands(position) {
    return this.last.position === position && performance.now() - this.last.at > STANDS;
  }

  async ask() {
    this.asks = true;
    while (this.on) {
      this.question = new AbortController();
      const { signal } = this.question;
      try {
        const answer = await fetch(`picture?after=${this.number}`, { signal });
        const told = answer.headers.get("picture");
        if (answer.status === 200 && told) this.draw(JSON.parse(told), await answer.arrayBuffer());
        else if (answer.status !== 204) throw new Error(`the demo answered ${answer.status}`);
      } catch {
        if (signal.aborted) continue;
        // It has ended, or says elsewhere why it does not answer.
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
    this.asks = false;
  }

  /** @param {any} told @param {ArrayBuffer} bytes */
  draw(told, bytes) {
    this.number = told.number;
    const card = this.card(told.session, told.position);
    if (!card) return;
    if (!told.format) {
      this.say(`No browser draws pixels of the kind ${told.pixels}`);
      return;
    }
    const canvas = card.canvas();
    const frame = new VideoFrame(bytes, {
      format: told.format, codedWidth: told.width, codedHeight: told.height,
      displayWidth: told.displayWidth, displayHeight: told.height, timestamp: 0,
      colorSpace: { matrix: told.matrix, fullRange: told.fullRange },
    });
    if (canvas.width !== told.displayWidth || canvas.height !== told.height) {
      canvas.width = told.displayWidth;
      canvas.height = told.height;
    }
    canvas.getContext("2d", { alpha: false })?.drawImage(frame, 0, 0, canvas.width, canvas.height);
    frame.close();
    canvas.dataset.ready = "";
    this.last = { position: told.position, at: performance.now() };
  }
}
