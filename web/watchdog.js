const BEAT_MILLIS = 1000;
/** How long a worker may take for one answer. */
const BEATS_MAX = 5;

/**
 * Notices that a worker owes an answer for too long. It counts beats rather than time, so that a computer that
 * slept meanwhile is not mistaken for a worker that hangs.
 */
export class Watchdog {
  /** @param {() => void} onStuck */
  constructor(onStuck) {
    this.onStuck = onStuck;
    this.beats = 0;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
  }

  /** An answer is owed from now on. */
  await() {
    this.beats = 0;
    this.timer ??= setInterval(() => this.beat(), BEAT_MILLIS);
  }

  /** The worker gave a sign of life, and still owes an answer. */
  reassure() {
    this.beats = 0;
  }

  /** Nothing is owed. */
  rest() {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  beat() {
    this.beats += 1;
    if (this.beats < BEATS_MAX) return;
    this.rest();
    this.onStuck();
  }
}
