// The platform's players: one <video> for each player the core asks for, and every fact about it reported back.

import { tell } from "./link.js";

/** Milliseconds between two reports of a playhead. */
const REPORT_EVERY = 200;

export class Player {
  /**
   * @param {number} id
   * @param {string} address of the core's gateway
   * @param {boolean} loops
   */
  constructor(id, address, loops) {
    this.id = id;
    this.address = address;
    this.ready = false;
    this.plays = false;
    /** The first picture after a start or a jump has not been seen. */
    this.awaited = false;
    this.stalled = false;
    /** A jump of ours is under way; any other is the clip starting over. */
    this.jumps = false;
    this.lastMs = -1;
    this.dropped = 0;
    const video = document.createElement("video");
    this.video = video;
    video.playsInline = true;
    video.muted = true;
    video.loop = loops;
    video.preload = "metadata";
    video.disableRemotePlayback = true;
    video.tabIndex = -1;
    const on = (/** @type {string} */ name, /** @type {() => void} */ handle) => video.addEventListener(name, handle);
    on("loadeddata", () => {
      if (this.ready) return;
      this.ready = true;
      video.dataset.ready = "";
      this.say({ what: "ready", width: video.videoWidth, height: video.videoHeight });
    });
    on("waiting", () => {
      if (!this.plays || this.awaited || this.stalled || video.seeking) return;
      this.stalled = true;
      video.dataset.stalled = "";
      this.say({ what: "waiting" });
    });
    on("playing", () => this.goesOn());
    on("seeking", () => {
      if (!this.jumps) this.say({ what: "wrapped" });
    });
    on("seeked", () => {
      this.jumps = false;
    });
    on("ended", () => this.say({ what: "ended" }));
    on("error", () => {
      const error = video.error;
      if (!error || !video.src) return;
      const reason = `the browser: ${error.message || `error ${error.code}`}`;
      this.say({ what: "failed", reason, retryable: error.code === MediaError.MEDIA_ERR_NETWORK });
    });
    if ("requestVideoFrameCallback" in video) {
      const seen = (/** @type {number} */ _now, /** @type {{ mediaTime: number }} */ frame) => {
        this.picture(frame.mediaTime * 1000);
        video.requestVideoFrameCallback(seen);
      };
      video.requestVideoFrameCallback(seen);
    } else {
      on("timeupdate", () => this.picture(video.currentTime * 1000));
    }
    this.timer = setInterval(() => this.report(), REPORT_EVERY);
    // Browsers read playlists only from the page's own server, which hands them through.
    video.src = address.endsWith(".m3u8") ? `media${new URL(address).pathname}` : address;
  }

  /** @param {object} report */
  say(report) {
    tell({ player: this.id, ...report });
  }

  /** A picture is on the screen. @param {number} ms */
  picture(ms) {
    if (this.plays && this.awaited && !this.jumps) {
      this.awaited = false;
      this.say({ what: "shown", ms: Math.max(0, Math.round(ms)) });
    }
  }

  goesOn() {
    delete this.video.dataset.stalled;
    if (!this.stalled) return;
    this.stalled = false;
    this.say({ what: "going" });
  }

  report() {
    const { video } = this;
    const quality = video.getVideoPlaybackQuality?.();
    if (quality && quality.droppedVideoFrames > this.dropped) {
      this.dropped = quality.droppedVideoFrames;
      this.say({ what: "dropped", total: this.dropped });
    }
    const ms = Math.round(video.currentTime * 1000);
    if (!this.plays || this.awaited || video.paused || ms === this.lastMs) return;
    this.lastMs = ms;
    if (this.stalled && video.readyState > 2) this.goesOn();
    this.say({ what: "position", ms, frames: quality?.totalVideoFrames ?? 0 });
  }

  play() {
    this.plays = true;
    this.awaited = true;
    this.video.preload = "auto";
    this.video.play().catch((error) => {
      if (error.name !== "NotAllowedError" || !this.plays) return;
      // Browsers let nothing sound before the person touched the page.
      this.video.muted = true;
      this.video.play().catch(() => {});
    });
  }

  pause() {
    this.plays = false;
    this.stalled = false;
    this.video.pause();
  }

  /** @param {number} ms */
  seek(ms) {
    this.jumps = true;
    this.awaited = this.plays;
    this.video.currentTime = ms / 1000;
  }

  release() {
    clearInterval(this.timer);
    this.plays = false;
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
  }
}

export class Players {
  /** @param {() => void} changed told when there is another player, or one less */
  constructor(changed) {
    /** @type {Map<number, Player>} */
    this.all = new Map();
    this.changed = changed;
  }

  /** Takes a wish of the core. @param {any} wish */
  take(wish) {
    if (wish.wish === "make") {
      this.all.get(wish.player)?.release();
      this.all.set(wish.player, new Player(wish.player, wish.address, wish.loops));
      this.changed();
      return;
    }
    const player = this.all.get(wish.player);
    if (!player) return;
    switch (wish.wish) {
      case "play":
        player.play();
        this.changed();
        break;
      case "pause": player.pause(); break;
      case "seek": player.seek(wish.ms); break;
      case "mute": player.video.muted = wish.on; break;
      case "volume": player.video.volume = wish.volume; break;
      case "rate": player.video.playbackRate = wish.rate; break;
      case "release":
        player.release();
        this.all.delete(wish.player);
        this.changed();
        break;
    }
  }

  /** Forgets every player: the core names them anew. */
  reset() {
    for (const player of this.all.values()) player.release();
    this.all.clear();
  }

  /** Players that read this address, the oldest first. @param {string} address */
  of(address) {
    return [...this.all.values()].filter((player) => player.address === address);
  }
}
