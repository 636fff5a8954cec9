import { Failure } from './failure.js';
import { Watchdog } from './watchdog.js';

/**
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./types.js').Mark} Mark
 * @typedef {import('./types.js').Keyframe} Keyframe
 * @typedef {import('./types.js').Verdict} Verdict
 * @typedef {import('./pictures.js').Frame} Frame
 *
 * @typedef {{compared: number, from_keyframe: number, recorded: number, mismatch: number | null}} Compared
 * @typedef {{playhead: number, ended: boolean, rows: (number[] | null)[], picture: Frame | null} & Compared} Shown
 * @typedef {{marks: Mark[], keyframes: Keyframe[], verdict: Verdict | null, lastTick: number}} Opened
 * @typedef {Opened & Compared & {session: Session}} News
 *
 * @typedef {object} Handlers
 * @property {(session: Session) => void} [onSession]
 * @property {(opened: Opened) => void} [onOpened]
 * @property {(shown: Shown) => void} [onFrame]
 * @property {(playhead: number, target: number) => void} [onBusy] a seek is on its way
 * @property {(tick: number, detail: string) => void} [onTickFailed]
 * @property {(news: News | null) => void} [onNews] null if the server did not answer
 * @property {(code: string, detail: string) => void} [onFailed] the worker is gone afterwards
 */

/** The page's end of a worker that plays a session. */
export class PlayerLink {
  /** @param {string} id a session @param {Handlers} handlers */
  constructor(id, handlers) {
    this.handlers = handlers;
    this.isOpen = false;
    this.isClosed = false;
    /** Answers that are owed: pictures and hashes. */
    this.isBusy = true;
    /** @type {number | null} */
    this.seeking = null;
    /** @type {Map<number, {resolve: (hash: string) => void, reject: (error: Error) => void}>} */
    this.requests = new Map();
    this.requested = 0;
    /** @type {(() => void)[]} */
    this.whenOpen = [];
    this.watchdog = new Watchdog(() => this.fail('no_answer', ''));
    this.worker = new Worker('/web/worker/player.js', { type: 'module' });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.fail('worker_died', event.message ?? '');
    this.worker.postMessage({ type: 'open', id });
  }

  /** @param {any} message */
  hear(message) {
    const { handlers } = this;
    switch (message.type) {
      case 'session':
        handlers.onSession?.(message.session);
        break;
      case 'starting':
        this.watchdog.await();
        break;
      case 'opened':
        this.settle();
        this.isOpen = true;
        handlers.onOpened?.(message);
        for (const run of this.whenOpen.splice(0)) run();
        break;
      case 'busy':
        this.watchdog.reassure();
        handlers.onBusy?.(message.playhead, message.target);
        break;
      case 'frame':
        this.settle();
        handlers.onFrame?.(message);
        break;
      case 'hash':
        this.settle();
        this.answerHash(message);
        break;
      case 'tick_failed':
        handlers.onTickFailed?.(message.tick, message.detail);
        break;
      case 'refreshed':
        handlers.onNews?.(message.news);
        break;
      case 'failed':
        this.fail(message.code, message.detail);
        break;
    }
  }

  settle() {
    this.isBusy = false;
    this.seeking = null;
    if (this.requests.size === 0) this.watchdog.rest();
  }

  /** @param {{request: number, hash?: string, error?: string}} message */
  answerHash({ request, hash, error }) {
    const waiting = this.requests.get(request);
    this.requests.delete(request);
    if (hash !== undefined) waiting?.resolve(hash);
    else waiting?.reject(new Error(error));
    if (this.requests.size === 0) this.watchdog.rest();
  }

  /** The newest seek wins. @param {number} tick */
  seek(tick) {
    this.isBusy = true;
    this.seeking = tick;
    this.watchdog.await();
    this.worker.postMessage({ type: 'seek', tick });
  }

  /** Only while not busy. @param {number} millis @param {number} rate */
  advance(millis, rate) {
    this.isBusy = true;
    this.watchdog.await();
    this.worker.postMessage({ type: 'advance', millis, rate });
  }

  refresh() {
    this.worker.postMessage({ type: 'refresh' });
  }

  /** The state hash at a tick; the playhead goes there. @param {number} tick @returns {Promise<string>} */
  async hashAt(tick) {
    if (!this.isOpen && !this.isClosed) {
      await new Promise((resolve) => this.whenOpen.push(() => resolve(null)));
    }
    if (this.isClosed) throw new Failure('worker_died', 'The session is not open.');
    const request = ++this.requested;
    this.watchdog.await();
    this.worker.postMessage({ type: 'hash', request, tick });
    return new Promise((resolve, reject) => this.requests.set(request, { resolve, reject }));
  }

  /** @param {string} code @param {string} detail */
  fail(code, detail) {
    this.close(new Failure(code, detail));
    this.handlers.onFailed?.(code, detail);
  }

  /** @param {Error} [reason] */
  close(reason = new Failure('worker_died', 'The session was closed.')) {
    this.isClosed = true;
    this.watchdog.rest();
    this.worker.onmessage = this.worker.onerror = null;
    this.worker.terminate();
    for (const { reject } of this.requests.values()) reject(reason);
    this.requests.clear();
    for (const run of this.whenOpen.splice(0)) run();
  }
}
