// Plays a session: owns its simulation and its player, and posts a picture whenever the playhead has moved.

import * as api from '../api.js';
import { Inputs, Schema, decodeBlocks } from '../sim/inputs.js';
import { Player, SeekError } from '../sim/player.js';
import { KeyframeStore } from './keyframe_store.js';
import { compileModule, portable, startSimulation } from './load.js';

/**
 * @typedef {import('../types.js').Session} Session
 * @typedef {{marks: import('../types.js').Mark[], keyframes: import('../types.js').Keyframe[], verdict: import('../types.js').Verdict | null}} Known
 * @typedef {{type: 'open', id: string}
 *   | {type: 'seek', tick: number}
 *   | {type: 'advance', millis: number, rate: number}
 *   | {type: 'hash', request: number, tick: number}
 *   | {type: 'refresh'}} Asked
 */

/** How long the worker is deaf at a time. */
const SLICE_MILLIS = 12;

class SessionPlayer {
  /**
   * @param {Session} session
   * @param {{player: Player, timeline: import('../sim/inputs.js').Timeline, hashes: Map<number, string>, store: KeyframeStore, blockBytes: number}} parts
   * @param {Known} known
   */
  constructor(session, { player, timeline, hashes, store, blockBytes }, { marks, keyframes, verdict }) {
    this.session = session;
    this.player = player;
    this.timeline = timeline;
    this.reader = timeline.reader();
    this.inputs = new Inputs(timeline.schema);
    this.hashes = hashes;
    this.store = store;
    this.marks = marks;
    this.keyframes = keyframes;
    this.verdict = verdict;
    this.blockBytes = blockBytes;
    /** @type {number | null} */
    this.wanted = null;
    /** @type {Promise<void> | null} */
    this.seeking = null;
  }

  /** The newest target wins; the one before is given up. @param {number} tick */
  seek(tick) {
    this.wanted = tick;
    this.seeking ??= this.seekToWanted().finally(() => {
      this.seeking = null;
    });
    return this.seeking;
  }

  async seekToWanted() {
    while (this.wanted !== null) {
      const tick = this.wanted;
      this.wanted = null;
      await this.store.prepare(tick, this.player.playhead);
      if (this.wanted !== null) continue;
      this.player.seekBegin(tick);
      await this.work();
      if (this.wanted === null) this.postFrame(false);
    }
  }

  async work() {
    while (!this.player.work(SLICE_MILLIS)) {
      postMessage({ type: 'busy', playhead: this.player.playhead, target: this.player.target });
      await breathe();
      if (this.wanted !== null) return;
    }
  }

  /** @param {number} millis @param {number} rate */
  advance(millis, rate) {
    if (this.seeking) return;
    const { player } = this;
    if (rate < 0) void this.store.prepare(player.playhead, Infinity);
    const { ended } = player.advance(millis, rate, SLICE_MILLIS);
    this.postFrame(ended);
  }

  /** @param {number} tick */
  async hashAt(tick) {
    if (tick > this.player.lastTick) throw new SeekError(tick, `the session has ${this.player.lastTick} ticks`);
    do await this.seek(tick);
    while (this.player.playhead !== tick || this.player.seeking);
    return this.player.simulation.hash();
  }

  /** @param {boolean} ended whether an end of the session was reached */
  postFrame(ended) {
    const { playhead, simulation } = this.player;
    const isKnown = this.reader.at(playhead, this.inputs);
    const { participants } = this.session;
    const rows = Array.from({ length: participants }, (_, participant) => (isKnown ? this.inputs.get(participant) : null));
    const picture = pictureOf(simulation);
    const transfer = picture ? [picture.rgba.buffer] : [];
    postMessage({ type: 'frame', playhead, ended, rows, picture, ...this.summary() }, { transfer });
  }

  /** How many of the recorded hashes were compared here, told apart by what they were computed from. */
  summary() {
    const { compared, fromKeyframe } = this.player.comparisons;
    return { compared, from_keyframe: fromKeyframe, recorded: this.hashes.size, mismatch: this.player.mismatch?.tick ?? null };
  }

  /** What has come since: of a session under way its ticks, of one that has ended its keyframes and verdict. Only
   * the session itself is asked for again and again. */
  async refresh() {
    const { session: id, ticks, state } = this.session;
    const session = await api.session(id);
    const hasEnded = session.state !== state && session.state === 'ended';
    if (session.ticks !== ticks || hasEnded) await this.extend(session);
    this.session = session;
    if (session.state === 'ended') await this.addKeyframes();
    const { marks, keyframes, verdict } = this;
    return { session, marks, keyframes, verdict, lastTick: this.player.lastTick, ...this.summary() };
  }

  /** @param {Session} session */
  async extend({ session: id, ticks }) {
    const [bytes, hashes, marks] = await Promise.all([api.inputs(id), api.hashes(id), api.marks(id)]);
    this.timeline.append(bytes.subarray(this.blockBytes));
    this.blockBytes = bytes.length;
    this.player.extend(ticks);
    for (const [tick, hash] of hashes) this.hashes.set(tick, hash);
    this.marks = marks;
  }

  async addKeyframes() {
    if (this.verdict !== null) return;
    const { keyframes, verdict } = await api.keyframes(this.session.session);
    this.keyframes = keyframes;
    this.verdict = verdict;
    for (const keyframe of keyframes) {
      const source = this.store.add(keyframe);
      if (source) this.player.addKeyframe(keyframe.tick, source);
    }
  }
}

/** @param {import('../sim/simulation.js').Simulation} simulation */
function pictureOf(simulation) {
  try {
    return simulation.view();
  } catch {
    // A game may fail to draw what it can still compute.
    return null;
  }
}

/** @param {string} id */
async function open(id) {
  const session = await api.session(id);
  postMessage({ type: 'session', session });
  const [wasm, bytes, hashes, marks, { keyframes, verdict }] = await Promise.all([
    compileModule(session), api.inputs(id), api.hashes(id), api.marks(id), api.keyframes(id),
  ]);
  postMessage({ type: 'starting' });
  const timeline = decodeBlocks(new Schema(session), bytes);
  const store = new KeyframeStore();
  const sources = new Map(keyframes.map((keyframe) => [keyframe.tick, store.add(keyframe) ?? (() => null)]));
  const recorded = new Map(hashes);
  const player = new Player(await startSimulation(session, wasm), {
    timeline, lastTick: session.ticks, keyframes: sources, hashes: recorded, rate: session.rate,
  });
  const made = new SessionPlayer(session, { player, timeline, hashes: recorded, store, blockBytes: bytes.length }, { marks, keyframes, verdict });
  postMessage({ type: 'opened', marks, keyframes, verdict, lastTick: player.lastTick });
  return made;
}

/** Lets messages in that came meanwhile. @returns {Promise<void>} */
function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** @type {SessionPlayer | null} */
let current = null;

/** @param {Asked} asked */
async function answer(asked) {
  if (asked.type === 'open') {
    current = await open(asked.id);
    return;
  }
  if (!current) return;
  switch (asked.type) {
    case 'seek':
      await current.seek(asked.tick);
      break;
    case 'advance':
      current.advance(asked.millis, asked.rate);
      break;
    case 'hash':
      await answerHash(current, asked);
      break;
    case 'refresh':
      // A server that does not answer now is asked again soon.
      postMessage({ type: 'refreshed', news: await current.refresh().catch(() => null) });
      break;
  }
}

/** @param {SessionPlayer} player @param {{request: number, tick: number}} asked */
async function answerHash(player, { request, tick }) {
  try {
    postMessage({ type: 'hash', request, hash: await player.hashAt(tick) });
  } catch (error) {
    postMessage({ type: 'hash', request, error: error instanceof Error ? error.message : String(error) });
  }
}

/** @param {unknown} error */
function report(error) {
  if (!(error instanceof SeekError) || !current) {
    postMessage({ type: 'failed', ...portable(error) });
    return;
  }
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  postMessage({ type: 'tick_failed', tick: error.tick, detail: `${error.message}${cause}` });
  current.postFrame(true);
}

addEventListener('message', ({ data }) => {
  answer(data).catch(report);
});
