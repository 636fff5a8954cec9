/** @typedef {import('../sim/player.js').Player} Player */

/**
 * The recorded hashes of a session, which also knows those that were compared with a state computed here. A player
 * looks a hash up when it has stepped to its tick; looking one up to judge a keyframe does not count.
 * @extends {Map<number, string>}
 */
export class Comparisons extends Map {
  /** @param {[number, string][]} recorded */
  constructor(recorded) {
    super();
    /** @type {Set<number>} */
    this.compared = new Set();
    /** @type {number | null} */
    this.mismatch = null;
    this.isCounting = true;
    this.extend(recorded);
  }

  /** @param {[number, string][]} recorded */
  extend(recorded) {
    for (const [tick, hash] of recorded) this.set(tick, hash);
  }

  /** @override @param {number} tick */
  get(tick) {
    const hash = super.get(tick);
    if (hash !== undefined && this.isCounting) this.compared.add(tick);
    return hash;
  }

  /** @template T @param {() => T} run */
  uncounted(run) {
    this.isCounting = false;
    try {
      return run();
    } finally {
      this.isCounting = true;
    }
  }

  /** Compares the state that a seek led to. @param {Player} player */
  compareHere({ playhead, simulation }) {
    const recorded = super.get(playhead);
    if (recorded === undefined || this.compared.has(playhead)) return;
    this.compared.add(playhead);
    if (simulation.hash() !== recorded) this.mismatch = Math.min(this.mismatch ?? Infinity, playhead);
  }

  /** @param {Player} player */
  summary(player) {
    const found = [this.mismatch, player.mismatch?.tick].filter((tick) => tick !== null && tick !== undefined);
    return { compared: this.compared.size, recorded: this.size, mismatch: found.length > 0 ? Math.min(...found) : null };
  }
}
