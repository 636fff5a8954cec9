import * as api from '../api.js';

/** @typedef {import('../types.js').Keyframe} Keyframe */

/** Bytes of states that are kept; more are fetched again when they are needed. */
const KEPT_BYTES_MAX = 96 * 1024 * 1024;
/** So many ticks are run again sooner than a keyframe is fetched. */
const SHORT_TICKS = 120;

/** The keyframes of a session, fetched when a seek needs them. */
export class KeyframeStore {
  constructor() {
    /** @type {Map<number, Keyframe>} */
    this.known = new Map();
    /** @type {Map<number, Uint8Array>} */
    this.states = new Map();
    /** @type {Map<number, Promise<void>>} */
    this.fetching = new Map();
    this.bytes = 0;
  }

  /** @param {Keyframe} keyframe @returns {(() => Uint8Array | null) | null} its source; null if it was known */
  add(keyframe) {
    if (this.known.has(keyframe.tick)) return null;
    this.known.set(keyframe.tick, keyframe);
    return () => this.states.get(keyframe.tick) ?? null;
  }

  /** Fetches the nearest keyframe at or before a tick, unless the way from the playhead is short. @param {number} tick @param {number} playhead */
  async prepare(tick, playhead) {
    if (playhead <= tick && tick - playhead <= SHORT_TICKS) return;
    let nearest = 0;
    for (const known of this.known.keys()) if (known <= tick && known > nearest) nearest = known;
    if (nearest === 0 || this.states.has(nearest)) return;
    const fetched = this.fetching.get(nearest) ?? this.fetch(nearest);
    this.fetching.set(nearest, fetched);
    await fetched;
  }

  /** @param {number} tick */
  async fetch(tick) {
    const keyframe = this.known.get(tick);
    if (!keyframe || keyframe.bytes > KEPT_BYTES_MAX) return;
    try {
      const state = await api.blob(keyframe.state);
      this.states.set(tick, state);
      this.bytes += state.length;
      for (const [oldest, { length }] of this.states) {
        if (this.bytes <= KEPT_BYTES_MAX) break;
        this.states.delete(oldest);
        this.bytes -= length;
      }
    } catch {
      // Nothing is wrong without it, only slower.
    } finally {
      this.fetching.delete(tick);
    }
  }
}
