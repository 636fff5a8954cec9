import * as api from './api.js';
import { GameLink } from './game_link.js';
import { lastHashByReplay } from './last_hash.js';
import { explain, noticeOf } from './notice.js';
import { GamePace } from './pace.js';
import { Recorder, endReason } from './recorder.js';

/**
 * @typedef {import('./types.js').Module} Module
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./notice.js').Notice} Notice
 * @typedef {import('./pictures.js').Frame} Frame
 * @typedef {import('./game_link.js').Ran} Ran
 *
 * @typedef {'connecting' | 'playing' | 'paused' | 'ending' | 'ended' | 'failed' | 'left'} LivePhase
 *
 * @typedef {object} Handlers
 * @property {() => {rows: [number, number[]][], bots: number[]}} takeInputs of this moment
 * @property {() => void} onPhase
 * @property {() => void} onChange of the recording or of what there is to say
 * @property {(picture: Frame) => void} onPicture
 * @property {(rows: (number[] | null)[]) => void} onRows what everybody did
 */

/**
 * What may follow each phase. Whatever arrives in another one (an answer of the server, of the game's worker) came
 * too late and changes nothing.
 * @type {Record<LivePhase, LivePhase[]>}
 */
const FOLLOWING = {
  connecting: ['playing', 'ending', 'failed', 'left'],
  playing: ['paused', 'ending', 'failed'],
  paused: ['playing', 'ending', 'failed'],
  ending: ['ended', 'failed'],
  ended: [],
  failed: [],
  left: [],
};

const HASH_EVERY = 60;
const SESSION_TRIES = 20;
const SESSION_WAIT_MILLIS = 100;
/** Of one whom nobody looks at any more. @type {Handlers} */
const NOBODY = { takeInputs: () => ({ rows: [], bots: [] }), onPhase() {}, onChange() {}, onPicture() {}, onRows() {} };

/** One game that is played and recorded, from the first connection to the end that is acknowledged. */
export class LiveSession {
  /** Begins a session: the recorder first, as only it makes one. @param {{module: Module, seed: string, handlers: Handlers}} options */
  constructor({ module, seed, handlers }) {
    this.module = module;
    this.seed = seed;
    this.handlers = handlers;
    /** @type {LivePhase} */
    this.phase = 'connecting';
    /** @type {Session | null} */
    this.session = null;
    /** @type {GameLink | null} */
    this.link = null;
    /** @type {GamePace | null} */
    this.pace = null;
    /** What ended the game or its recording. @type {Notice | null} */
    this.problem = null;
    this.reason = endReason.stopped();
    this.hashedTick = -1;
    this.onUnload = (/** @type {Event} */ event) => this.recorder.key !== '' && event.preventDefault();
    addEventListener('beforeunload', this.onUnload);
    this.recorder = new Recorder({
      address: api.recordAddress(),
      start: { module: module.module, seed, hash_every: HASH_EVERY },
      onReady: () => void this.openGame(),
      onChange: () => this.onRecorder(),
    });
  }

  /** @param {LivePhase} phase @returns {boolean} whether it could follow */
  enter(phase) {
    if (!FOLLOWING[this.phase].includes(phase)) return false;
    this.phase = phase;
    if (this.isOver) removeEventListener('beforeunload', this.onUnload);
    if (phase === 'playing') this.pace?.start();
    else this.pace?.stop();
    this.handlers.onPhase();
    return true;
  }

  /** Whether nothing more can come of it. */
  get isOver() {
    return FOLLOWING[this.phase].length === 0;
  }

  /** Whether a game that is being opened is still wanted. */
  get isAwaited() {
    return this.phase === 'connecting' && this.recorder.isOpen;
  }

  async openGame() {
    if (!this.isAwaited) return;
    let session;
    try {
      session = await this.awaitSession();
    } catch (error) {
      if (this.isAwaited) this.endFailed(explain(error));
      return;
    }
    if (!this.isAwaited) return;
    this.session = session;
    this.recorder.setRate(session.rate);
    this.pace = new GamePace(session.rate, (ticks) => this.runTicks(ticks));
    this.link = new GameLink(session, this.module.bot, {
      onOpened: (hash, picture) => this.onOpened(hash, picture),
      onRan: (ran) => this.onRan(ran),
      onFailed: (code, detail) => this.onGameGone(code, detail),
    });
  }

  /** The session that was just made: the server's list of sessions may be a moment behind its recorder. */
  async awaitSession() {
    for (let tries = 1; ; tries++) {
      try {
        return await api.session(this.recorder.session);
      } catch (error) {
        const isLate = error instanceof api.ApiError && error.code === 'unknown_session';
        if (!isLate || !this.isAwaited || tries === SESSION_TRIES) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, SESSION_WAIT_MILLIS));
    }
  }

  /** @param {string | null} hash @param {Frame | null} picture */
  onOpened(hash, picture) {
    if (!this.isAwaited) return;
    if (picture) this.handlers.onPicture(picture);
    this.addHash(hash);
    this.enter('playing');
  }

  /** @param {number} ticks that are due @returns {number} how many were begun */
  runTicks(ticks) {
    const { link, recorder } = this;
    if (!link || this.phase !== 'playing' || link.isBusy) return 0;
    const room = Math.min(ticks, recorder.room);
    if (room === 0) return 0;
    const { rows, bots } = this.handlers.takeInputs();
    link.run(room, rows, bots);
    return room;
  }

  /** @param {Ran} ran */
  onRan({ ran, isOver, failed, picture, rows }) {
    for (const { frame, marks, hash } of ran) {
      this.recorder.addInputs(frame);
      this.addHash(hash);
      for (const mark of marks) this.recorder.addMark(mark);
    }
    if (picture) this.handlers.onPicture(picture);
    this.handlers.onRows(rows);
    this.handlers.onChange();
    if (failed) {
      void this.endAfterFailure(failed);
    } else if (this.phase === 'ending') {
      // Somebody ended the game in the tick in which it was over.
      if (isOver) this.reason = endReason.over();
      void this.finish();
    } else if (isOver) {
      this.end(endReason.over());
    }
  }

  /** @param {string | null} hash of the state at the next tick */
  addHash(hash) {
    const { recorder } = this;
    if (hash === null || this.hashedTick === recorder.nextTick) return;
    recorder.addHash(hash);
    this.hashedTick = recorder.nextTick;
  }

  pause() {
    this.enter('paused');
  }

  resume() {
    if (this.phase === 'paused') this.enter('playing');
  }

  /** Ends the session at the tick that was last run. */
  end(reason = endReason.stopped()) {
    if (this.phase === 'connecting') {
      this.endUnbegun();
    } else if (this.enter('ending')) {
      this.reason = reason;
      // What is under way is recorded first.
      if (!this.link?.isBusy) void this.finish();
    }
  }

  /** Nothing was played yet. */
  endUnbegun() {
    this.dropGame();
    if (this.recorder.key === '') {
      this.enter('left');
      this.recorder.abandon();
    } else {
      this.enter('ending');
      this.recorder.end(endReason.stopped());
    }
  }

  async finish() {
    const { link } = this;
    if (!link) return;
    try {
      this.addHash(await link.finish());
    } catch {
      // The worker is gone, which `onGameGone` was told.
      return;
    }
    this.dropGame();
    this.recorder.end(this.reason);
  }

  /** @param {import('./worker/game.js').Failed} failed */
  async endAfterFailure(failed) {
    if (this.phase !== 'ending' && !this.enter('ending')) return;
    const { recorder } = this;
    this.dropGame();
    this.report(noticeOf('simulation_failed', { detail: `At tick ${recorder.nextTick}: ${failed.message}.` }));
    if (failed.kind === 'trap' && failed.trap > 0) recorder.end(endReason.trap(failed.trap, failed.frame));
    else if (failed.kind === 'game') recorder.end(endReason.game(failed.code, failed.frame));
    else await this.endWithoutGame();
  }

  /** The worker is gone, and with it the state. @param {string} code @param {string} detail */
  onGameGone(code, detail) {
    this.link = null;
    if (this.phase !== 'ending' && !this.enter('ending')) return;
    this.report(noticeOf(code, { detail }));
    void this.endWithoutGame();
  }

  /** @param {Notice} notice */
  endFailed(notice) {
    this.enter('ending');
    this.report(notice);
    this.recorder.end(endReason.stopped());
  }

  /** The hash of the last state is computed anew, from what the server has. */
  async endWithoutGame() {
    const { recorder } = this;
    if (this.hashedTick !== recorder.nextTick) this.addHash(await lastHashByReplay(recorder));
    recorder.end(this.reason);
  }

  onRecorder() {
    const { recorder } = this;
    if (recorder.connection === 'ended') {
      this.enter('ended');
    } else if (recorder.connection === 'refused' && recorder.notice && this.phase !== 'failed') {
      this.dropGame();
      this.problem = recorder.notice;
      this.enter('failed');
    }
    this.handlers.onChange();
  }

  /** @param {Notice} problem */
  report(problem) {
    this.problem = problem;
    this.handlers.onChange();
  }

  /** What somebody should know now: what ended the game, then what holds it, then what will pass. @returns {Notice | null} */
  get notice() {
    const { recorder } = this;
    if (this.problem) return this.problem;
    const isRunning = this.phase === 'playing' || this.phase === 'paused';
    if (isRunning && recorder.fullOf !== null) {
      const why = recorder.notice ? `: ${recorder.notice.title.replace(/^The/, 'the')}` : '';
      return noticeOf('buffer_full', { tone: 'warn', detail: `${recorder.fullOf} of the game wait${why}.` });
    }
    return recorder.notice;
  }

  /** Nobody looks at it any more: it is ended properly, as far as the page still can. */
  leave() {
    this.handlers = NOBODY;
    this.end();
  }

  dropGame() {
    this.link?.close();
    this.link = null;
  }
}
