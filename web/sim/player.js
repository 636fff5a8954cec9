// Play, step and seek in a session, in both directions.
//
// For every tick t, the state after a seek to t is the state after playing from 0 to t. A seek may take long, so it
// is begun and then worked on in slices; whoever draws in between waits until it is done.

import { blake3 } from './blake3.js';
import { RestoreError } from './failure.js';
import { Inputs } from './inputs.js';

/**
 * @typedef {import('./simulation.js').Simulation} Simulation
 * @typedef {import('./guest.js').Mark} Mark
 * @typedef {import('./inputs.js').Timeline} Timeline
 * @typedef {{ tick: number, mark: Mark }} TickMark the tick is that to which the step led that emitted the mark
 * @typedef {() => Uint8Array | null} KeyframeSource gives a state, or null while it is not there
 */

/** Bytes of states that a player remembers besides the keyframes it was given. */
export const CACHE_BYTES_MAX = 64 << 20;
/** Ticks that one call of `advance` moves at most, however long the caller slept. */
export const ADVANCE_TICKS_MAX = 4096;
/** The greatest rate, either sign. */
export const RATE_MAX = 1000;
/** Ticks between the states that are remembered near the playhead, so that steps back are short. */
const NEAR_SPACING = 16;
/** How far before the target of a seek states are remembered. */
const NEAR_TICKS = 256;
/** A state of more bytes is a large one. */
const LARGE_BYTES = 1 << 20;
/** Ticks between the states that are remembered on a long way. */
const FAR_SPACING = 600;

/** A tick cannot be shown. */
export class SeekError extends Error {
  /**
   * @param {number} tick
   * @param {string} reason
   * @param {unknown} [cause] the simulation's failure
   */
  constructor(tick, reason, cause) {
    super(`tick ${tick}: ${reason}`, { cause });
    this.name = 'SeekError';
    this.tick = tick;
  }
}

/** States that a player remembers: that at tick 0 for ever, others as long as there is room. */
class Cache {
  /**
   * @param {Uint8Array} initial
   * @param {number} bytesMax
   */
  constructor(initial, bytesMax) {
    this.initial = initial;
    this.bytesMax = bytesMax;
    this.bytes = 0;
    /** @type {Map<number, Uint8Array>} */
    this.states = new Map();
    /** Their ticks in order. @type {number[]} */
    this.ticks = [];
    /** Those that were computed from tick 0 on, without a state from elsewhere. @type {Set<number>} */
    this.rooted = new Set();
  }

  /** @param {number} tick */
  nearest(tick) {
    return this.ticks[countUpTo(this.ticks, tick) - 1] ?? 0;
  }

  /**
   * The state at a tick that `nearest` gave.
   * @param {number} tick
   */
  state(tick) {
    return this.states.get(tick) ?? this.initial;
  }

  /**
   * Keeps the state at `tick`; the ones farthest from it make room.
   * @param {number} tick
   * @param {Simulation} simulation
   * @param {boolean} isRooted whether it was computed from tick 0 on; such a state replaces one that was not
   */
  remember(tick, simulation, isRooted) {
    if (tick === 0 || simulation.stateBytes > this.bytesMax) return;
    const known = this.states.get(tick);
    if (known && (!isRooted || this.rooted.has(tick))) return;
    const state = simulation.save();
    this.bytes += state.length - (known?.length ?? 0);
    this.states.set(tick, state);
    if (isRooted) this.rooted.add(tick);
    if (known) return;
    this.ticks.splice(countUpTo(this.ticks, tick), 0, tick);
    while (this.bytes > this.bytesMax) this.#dropFarthest(tick);
  }

  /** @param {number} tick */
  #dropFarthest(tick) {
    const first = this.ticks[0];
    const last = this.ticks[this.ticks.length - 1];
    const dropped = Math.abs(first - tick) >= Math.abs(last - tick) ? first : last;
    if (dropped === first) this.ticks.shift();
    else this.ticks.pop();
    this.bytes -= this.states.get(dropped)?.length ?? 0;
    this.states.delete(dropped);
    this.rooted.delete(dropped);
  }
}

/**
 * How many of the ordered numbers are at most `limit`.
 * @param {number[]} ordered
 * @param {number} limit
 */
function countUpTo(ordered, limit) {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ordered[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Plays a session on a simulation. The clock is the caller's: `advance` is told how much time has passed. */
export class Player {
  #simulation;
  #timeline;
  #reader;
  #inputs;
  #cache;
  /** @type {Map<number, KeyframeSource>} */
  #keyframes;
  /** The ticks of keyframes that have not been found bad, in order. @type {number[]} */
  #keyframeTicks;
  #hashes;
  #rate;
  #now;
  #playhead = 0;
  #lastTick;
  /** @type {number | null} where the seek under way leads */
  #target = null;
  /** Microseconds x ticks x thousandths that have passed and have not become a tick yet. */
  #owed = 0;
  #permille = 0;
  /** @type {{ tick: number, expected: string, actual: string } | null} */
  #mismatch = null;
  /** Whether the state at the playhead was computed from tick 0 on. */
  #isRooted = true;
  /** Whether the state at the playhead is a keyframe itself. */
  #isSupplied = false;
  /** Ticks whose hash was computed from tick 0 on, and found as recorded or not. @type {Set<number>} */
  #compared = new Set();
  /** Ticks whose hash was computed from a keyframe only. @type {Set<number>} */
  #comparedFromKeyframe = new Set();

  /**
   * A player at tick 0. `simulation` is that of the session, at tick 0.
   * @param {Simulation} simulation
   * @param {object} options
   * @param {Timeline} options.timeline
   * @param {number} options.lastTick the last tick that can be shown; of a session under way, so far
   * @param {Map<number, KeyframeSource>} [options.keyframes]
   * @param {Map<number, string>} [options.hashes] as recorded, in hex
   * @param {{ ticks: number, seconds: number }} [options.rate] the session's own speed
   * @param {number} [options.cacheBytesMax]
   * @param {() => number} [options.now] milliseconds of any clock, to keep slices short
   */
  constructor(simulation, {
    timeline, lastTick, keyframes = new Map(), hashes = new Map(), rate = { ticks: 60, seconds: 1 },
    cacheBytesMax = CACHE_BYTES_MAX, now = () => performance.now(),
  }) {
    this.#simulation = simulation;
    this.#timeline = timeline;
    this.#reader = timeline.reader();
    this.#inputs = new Inputs(timeline.schema);
    this.#cache = new Cache(simulation.save(), cacheBytesMax);
    this.#keyframes = new Map(keyframes);
    this.#keyframeTicks = [...keyframes.keys()].sort((a, b) => a - b);
    this.#hashes = hashes;
    this.#rate = rate;
    this.#now = now;
    this.#lastTick = this.#within(lastTick);
    this.#compare();
  }

  /** The tick whose state the simulation has. While a seek is under way it is on its way to `target`. */
  get playhead() {
    return this.#playhead;
  }

  /** The last tick that can be shown. */
  get lastTick() {
    return this.#lastTick;
  }

  /** Where the seek under way leads; the playhead while there is none. */
  get target() {
    return this.#target ?? this.#playhead;
  }

  /** Whether a seek is under way. */
  get seeking() {
    return this.#target !== null;
  }

  /** The simulation at the playhead, to look at. */
  get simulation() {
    return this.#simulation;
  }

  /** The first tick found so far whose state is not the recorded one. */
  get mismatch() {
    return this.#mismatch;
  }

  /** How many ticks' hashes were compared: those that were computed from tick 0 on, and those from a keyframe only. */
  get comparisons() {
    return { compared: this.#compared.size, fromKeyframe: this.#comparedFromKeyframe.size };
  }

  /**
   * More of a session under way can be shown, after its inputs were appended to the timeline.
   * @param {number} lastTick
   */
  extend(lastTick) {
    this.#lastTick = Math.max(this.#lastTick, this.#within(lastTick));
  }

  /**
   * One more state to seek from.
   * @param {number} tick
   * @param {KeyframeSource} source
   */
  addKeyframe(tick, source) {
    if (!this.#keyframes.has(tick)) this.#keyframeTicks.splice(countUpTo(this.#keyframeTicks, tick), 0, tick);
    this.#keyframes.set(tick, source);
  }

  /**
   * Begins to move the playhead to `tick`, or the nearest there is; a seek under way is given up. The nearest
   * state at or before it is restored, and `work` runs the rest again. No mark is given.
   * @param {number} tick
   */
  seekBegin(tick) {
    const target = Math.min(Math.max(Math.round(tick), 0), this.#lastTick);
    this.#owed = 0;
    this.#target = target;
    this.#restoreAtOrBefore(target, true);
  }

  /**
   * Works on the seek under way for about as long as it is told, by one tick at least.
   * @param {number} [budgetMillis]
   * @returns {boolean} whether the playhead is where it shall be
   * @throws {SeekError} the simulation fails where the recorded one did not; the seek is given up
   */
  work(budgetMillis = Infinity) {
    if (this.#target === null) return true;
    const end = this.#now() + budgetMillis;
    while (this.#playhead < this.#target) {
      this.#run();
      this.#rememberOnTheWay(this.#target);
      if (this.#playhead < this.#target && this.#now() >= end) return false;
    }
    this.#target = null;
    this.#compare();
    return true;
  }

  /**
   * Moves the playhead to `tick` at once.
   * @param {number} tick
   */
  seek(tick) {
    this.seekBegin(tick);
    this.work();
  }

  /**
   * Runs the tick at the playhead and gives its marks; null at the last tick. A seek under way is finished first.
   * @returns {Mark[] | null}
   * @throws {SeekError} the simulation fails where the recorded one did not; the playhead stays
   */
  stepForward() {
    this.work();
    if (this.#playhead >= this.#lastTick) return null;
    const { marks } = this.#run();
    this.#compare();
    // Large states are remembered more seldom, so that copying them stays a small part of playing.
    const spacing = NEAR_SPACING * Math.ceil(this.#simulation.stateBytes / LARGE_BYTES);
    if (this.#playhead % spacing === 0) this.#cache.remember(this.#playhead, this.#simulation, this.#isRooted);
    return marks;
  }

  /**
   * Goes back one tick; false at tick 0.
   * @throws {SeekError}
   */
  stepBack() {
    this.work();
    if (this.#playhead === 0) return false;
    this.seek(this.#playhead - 1);
    return true;
  }

  /**
   * Lets time pass: whole ticks are run, the rest is kept for the next call. No tick is skipped or repeated. At
   * most `ADVANCE_TICKS_MAX` ticks are due at once; what is owed beyond, or does not fit the budget, is forgotten.
   *
   * @param {number} millis
   * @param {number} rate how fast to play, as a multiple of the session's own speed; negative plays backwards
   * @param {number} [budgetMillis] about how long the call may take; a seek backwards that takes longer is gone on
   *   with by the next call
   * @returns {{ ticks: number, marks: TickMark[], ended: boolean }} how many ticks the playhead moved, what was
   *   emitted while playing forwards, and whether an end of the time line was reached
   * @throws {SeekError} the simulation fails where the recorded one did not
   */
  advance(millis, rate, budgetMillis = Infinity) {
    const end = this.#now() + budgetMillis;
    /** @type {{ ticks: number, marks: TickMark[], ended: boolean }} */
    const advance = { ticks: 0, marks: [], ended: false };
    // Time that a seek takes is not played afterwards.
    if (this.seeking && !this.work(budgetMillis)) return advance;
    const due = this.#due(millis, rate);
    if (rate > 0) this.#forward(due, end, advance);
    else if (rate < 0) this.#back(due, end, advance);
    if (advance.ended) this.#owed = 0;
    return advance;
  }

  /**
   * Whole ticks that are due after `millis` more.
   * @param {number} millis
   * @param {number} rate
   */
  #due(millis, rate) {
    const permille = Math.round(Math.max(-RATE_MAX, Math.min(rate, RATE_MAX)) * 1000);
    if (permille !== this.#permille) this.#owed = 0;
    this.#permille = permille;
    // Whole numbers, so that ticks are neither lost nor gained to rounding.
    const cost = this.#rate.seconds * 1_000_000 * 1000;
    this.#owed += Math.round(Math.max(millis, 0) * 1000) * this.#rate.ticks * Math.abs(permille);
    const due = Math.min(Math.floor(this.#owed / cost), ADVANCE_TICKS_MAX);
    this.#owed %= cost;
    return due;
  }

  /**
   * @param {number} due
   * @param {number} end
   * @param {{ ticks: number, marks: TickMark[], ended: boolean }} advance
   */
  #forward(due, end, advance) {
    while (advance.ticks < due && this.#playhead < this.#lastTick) {
      for (const mark of this.stepForward() ?? []) advance.marks.push({ tick: this.#playhead, mark });
      advance.ticks += 1;
      if (this.#now() >= end) break;
    }
    advance.ended = this.#playhead === this.#lastTick;
  }

  /**
   * @param {number} due
   * @param {number} end
   * @param {{ ticks: number, marks: TickMark[], ended: boolean }} advance
   */
  #back(due, end, advance) {
    const before = this.#playhead;
    const target = Math.max(before - due, 0);
    if (target !== before) {
      const owed = this.#owed;
      this.seekBegin(target);
      this.#owed = owed;
      this.work(end - this.#now());
    }
    advance.ticks = before - target;
    advance.ended = target === 0 && !this.seeking;
  }

  /** Runs the tick at the playhead, which is before the last. */
  #run() {
    const tick = this.#playhead;
    if (!this.#reader.at(tick, this.#inputs)) throw new SeekError(tick, 'its inputs are not there');
    let stepped;
    try {
      stepped = this.#simulation.step(tick, this.#inputs);
    } catch (failure) {
      this.#recover(tick);
      throw new SeekError(tick, 'the simulation fails, where the recorded one did not', failure);
    }
    this.#playhead = tick + 1;
    this.#isSupplied = false;
    return stepped;
  }

  /**
   * Brings the simulation back to `tick`, up to which it has run before, after a failure beyond it.
   * @param {number} tick
   */
  #recover(tick) {
    this.#target = null;
    this.#restoreAtOrBefore(tick, false);
    while (this.#playhead < tick) {
      this.#reader.at(this.#playhead, this.#inputs);
      this.#simulation.step(this.#playhead, this.#inputs);
      this.#playhead += 1;
      this.#isSupplied = false;
    }
  }

  /** @param {number} target */
  #rememberOnTheWay(target) {
    const near = target - this.#playhead <= NEAR_TICKS && this.#playhead % NEAR_SPACING === 0;
    if (near || this.#playhead % FAR_SPACING === 0) this.#cache.remember(this.#playhead, this.#simulation, this.#isRooted);
  }

  /** Compares the state at the playhead with the recorded hash, if there is one and a step led to the state. */
  #compare() {
    const tick = this.#playhead;
    const expected = this.#hashes.get(tick);
    if (this.#isSupplied || expected === undefined || (this.#mismatch !== null && this.#mismatch.tick <= tick)) return;
    const actual = this.#simulation.hash();
    if (actual !== expected) this.#mismatch = { tick, expected, actual };
    if (this.#isRooted) {
      this.#compared.add(tick);
      this.#comparedFromKeyframe.delete(tick);
    } else if (!this.#compared.has(tick)) {
      this.#comparedFromKeyframe.add(tick);
    }
  }

  /**
   * Restores the nearest state at or before `tick` that can be, unless the playhead is nearer. Keyframes that are bad
   * are forgotten; one that is not there yet is asked for again the next time.
   * @param {number} tick
   * @param {boolean} intact whether the simulation has the state at the playhead
   */
  #restoreAtOrBefore(tick, intact) {
    const cached = this.#cache.nearest(tick);
    let stay = intact && this.#playhead <= tick && this.#playhead >= cached;
    const known = stay ? this.#playhead : cached;
    for (let place = countUpTo(this.#keyframeTicks, tick) - 1; place >= 0; place -= 1) {
      const nearest = this.#keyframeTicks[place];
      if (nearest <= known) break;
      const state = this.#keyframes.get(nearest)?.() ?? null;
      if (state === null) continue;
      if (this.#restoreKeyframe(nearest, state)) return;
      this.#keyframes.delete(nearest);
      this.#keyframeTicks.splice(place, 1);
      // Half of a bad state may have been taken over.
      stay = false;
    }
    if (stay) return;
    this.#simulation.restore(this.#cache.state(cached));
    this.#playhead = cached;
    this.#isRooted = cached === 0 || this.#cache.rooted.has(cached);
    this.#isSupplied = false;
  }

  /**
   * Restores a keyframe, if it is the state whose hash was recorded at its tick; where nobody recorded hashes it is
   * believed.
   * @param {number} tick
   * @param {Uint8Array} state
   */
  #restoreKeyframe(tick, state) {
    const recorded = this.#hashes.get(tick);
    const believed = recorded === undefined ? this.#hashes.size === 0 : blake3(state) === recorded;
    if (!believed) return false;
    try {
      this.#simulation.restore(state);
    } catch (error) {
      if (error instanceof RestoreError) return false;
      throw error;
    }
    this.#playhead = tick;
    // A state with the hash of one that was computed here from tick 0 on is that state.
    this.#isRooted = recorded !== undefined && this.#compared.has(tick) && this.#mismatch?.tick !== tick;
    this.#isSupplied = true;
    return true;
  }

  /**
   * A last tick for which there are inputs.
   * @param {number} lastTick
   */
  #within(lastTick) {
    return Math.min(lastTick, this.#timeline.endTick);
  }
}
