/** @typedef {import('./types.js').Rate} Rate */

/** What a game that fell behind makes up for at once. */
const CATCH_UP_TICKS_MAX = 5;
/** A frame this near a whole number of ticks is taken for it, so that the picture does not stutter. */
const SNAP = 0.06;

/** Says when ticks are due, frame by frame of the display; while the page is hidden there are none. */
export class GamePace {
  /** @param {Rate} rate @param {(ticks: number) => number} run gives how many ticks it began */
  constructor(rate, run) {
    this.ticksPerMilli = rate.ticks / rate.seconds / 1000;
    this.ticksMax = Math.max(CATCH_UP_TICKS_MAX, Math.ceil(this.ticksPerMilli * 34));
    this.run = run;
    this.owed = 0;
    this.before = 0;
    this.request = 0;
  }

  start() {
    this.stop();
    this.owed = 0;
    this.before = performance.now();
    const frame = (/** @type {number} */ now) => {
      this.request = requestAnimationFrame(frame);
      this.advance(now);
    };
    this.request = requestAnimationFrame(frame);
  }

  stop() {
    cancelAnimationFrame(this.request);
  }

  /** @param {number} now */
  advance(now) {
    const exact = Math.max(0, now - this.before) * this.ticksPerMilli;
    this.before = now;
    const whole = Math.round(exact);
    this.owed += whole >= 1 && Math.abs(exact - whole) < SNAP ? whole : exact;
    this.owed = Math.min(this.owed, this.ticksMax + 0.99);
    const due = Math.floor(this.owed);
    if (due > 0) this.owed -= this.run(due);
  }
}
