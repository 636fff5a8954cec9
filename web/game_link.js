import { Failure } from './failure.js';
import { Watchdog } from './watchdog.js';

/**
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./pictures.js').Frame} Frame
 * @typedef {import('./worker/game.js').RanTick} RanTick
 * @typedef {import('./worker/game.js').Failed} Failed
 * @typedef {{ran: RanTick[], tick: number, isOver: boolean, failed: Failed | null, picture: Frame | null, rows: (number[] | null)[]}} Ran
 *
 * @typedef {object} Handlers
 * @property {(hash: string | null, picture: Frame | null) => void} onOpened
 * @property {(ran: Ran) => void} onRan
 * @property {(code: string, detail: string) => void} onFailed the worker is gone afterwards
 */

/** The page's end of a worker that runs a live game. */
export class GameLink {
  /** @param {Session} session @param {boolean} bot whether its module has bots @param {Handlers} handlers */
  constructor(session, bot, handlers) {
    this.handlers = handlers;
    this.isBusy = true;
    /** Whoever waits for the last hash. @type {{resolve: (hash: string | null) => void, reject: (error: Error) => void} | null} */
    this.finishing = null;
    this.watchdog = new Watchdog(() => this.fail('no_answer', ''));
    this.worker = new Worker('/web/worker/game.js', { type: 'module' });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.fail('worker_died', event.message ?? '');
    this.worker.postMessage({ type: 'open', session, bot });
  }

  /** @param {any} message */
  hear(message) {
    if (message.type === 'starting') {
      this.watchdog.await();
      return;
    }
    this.watchdog.rest();
    this.isBusy = false;
    switch (message.type) {
      case 'opened':
        this.handlers.onOpened(message.hash, message.picture);
        break;
      case 'ran':
        this.handlers.onRan(message);
        break;
      case 'finished':
        this.finishing?.resolve(message.hash);
        break;
      case 'failed':
        this.fail(message.code, message.detail);
        break;
    }
  }

  /** Only while not busy. @param {number} ticks @param {[number, number[]][]} rows @param {number[]} bots */
  run(ticks, rows, bots) {
    this.isBusy = true;
    this.watchdog.await();
    this.worker.postMessage({ type: 'run', ticks, rows, bots });
  }

  /** The hash of the last state, after what is under way; rejected if the worker goes. @returns {Promise<string | null>} */
  finish() {
    this.watchdog.await();
    this.worker.postMessage({ type: 'finish' });
    return new Promise((resolve, reject) => {
      this.finishing = { resolve, reject };
    });
  }

  /** @param {string} code @param {string} detail */
  fail(code, detail) {
    this.close();
    this.handlers.onFailed(code, detail);
  }

  close() {
    this.watchdog.rest();
    this.worker.onmessage = this.worker.onerror = null;
    this.worker.terminate();
    this.finishing?.reject(new Failure('worker_died', 'The game was closed.'));
  }
}
