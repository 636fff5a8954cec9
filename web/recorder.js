import * as api from './api.js';
import { forgetKey, keepKey } from './kept_keys.js';
import { noticeOf } from './notice.js';

/**
 * The recording client: docs/spec/service.md, section Recording. It never blocks the game, keeps what is not
 * acknowledged, and resumes after a lost connection.
 *
 * @typedef {import('./notice.js').Notice} Notice
 * @typedef {{tick: number, kind: number, bytes: Uint8Array, at: number}} Entry
 * @typedef {{module: string, seed: string, hash_every: number}} Start
 * @typedef {{kind: number, payload: Uint8Array}} EmittedMark
 */

const INPUTS = 1;
const HASH = 2;
const MARK = 3;
const END = 4;
/** What the server takes: the largest mark that a game may emit, and what stands before it. */
const MESSAGE_BYTES_MAX = 64 * 1024 + 16;
const FLUSH_MILLIS = 60;
/** What may wait to be acknowledged before the game has to. */
const KEPT_SECONDS_MAX = 30;
const KEPT_BYTES_MAX = 32 * 1024 * 1024;
/** What the socket may hold that is not on its way yet. */
const SOCKET_BYTES_MAX = 512 * 1024;
const CONNECT_MILLIS_MAX = 10_000;
/** A connection on which nothing is acknowledged for so long is taken for lost. */
const SILENCE_MILLIS_MAX = 15_000;
const BACKOFF_MILLIS = [300, 700, 1500, 3000, 6000, 10_000];

/** A connection that held for so long was a good one, also if nothing was played meanwhile. */
const GOOD_MILLIS_MIN = 30_000;
/** So many times in a row what is sent again does not follow on what the server has: it never will. */
const GAPS_MAX = 2;

/** Refusals after which the same session can be resumed without anybody's help. */
const PASSING = new Set(['server_stopping', 'store_full', 'store_unavailable', 'store_poisoned', 'busy', 'recorder_full', 'tick_gap']);

export class Recorder {
  /**
   * @param {object} options
   * @param {string} options.address
   * @param {Start} options.start
   * @param {{session: string, key: string}} [options.resume] a session to go on with, rather than to start one
   * @param {() => void} options.onReady called once, when the session is there
   * @param {() => void} options.onChange
   */
  constructor({ address, start, resume, onReady, onChange }) {
    this.address = address;
    this.start = start;
    this.onReady = onReady;
    this.onChange = onChange;
    /** @type {'connecting' | 'ready' | 'reconnecting' | 'waiting' | 'refused' | 'ended'} */
    this.connection = 'connecting';
    this.session = resume?.session ?? '';
    this.key = resume?.key ?? '';
    this.wasReady = false;
    this.nextTick = 0;
    this.acknowledged = 0;
    /** @type {number | null} */
    this.latencyMillis = null;
    /** @type {Notice | null} */
    this.notice = null;
    /** @type {{lastTick: number, reason: string} | null} */
    this.ended = null;
    this.keptTicksMax = Infinity;
    this.keptBytes = 0;
    /** @type {Entry[]} */
    this.kept = [];
    this.sent = 0;
    this.isEnding = false;
    /** Connections since the last one that led to anything. */
    this.attempts = 0;
    /** Refusals of what was sent since the last tick that was acknowledged. */
    this.gaps = 0;
    this.readyAt = Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.flushTimer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.connectTimer = undefined;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.heardAt = 0;
    this.onOnline = () => this.connection === 'reconnecting' && this.resumeNow();
    addEventListener('online', this.onOnline);
    this.watch = setInterval(() => this.watchSilence(), 1000);
    this.connect();
  }

  /** @param {{ticks: number, seconds: number}} rate */
  setRate(rate) {
    this.keptTicksMax = Math.ceil((rate.ticks / rate.seconds) * KEPT_SECONDS_MAX);
  }

  /** What waits to be acknowledged, where it is as much as may wait. */
  get fullOf() {
    if (this.room > 0) return null;
    return this.keptBytes > KEPT_BYTES_MAX ? `${KEPT_BYTES_MAX >> 20} MiB` : `${KEPT_SECONDS_MAX} seconds`;
  }

  /** How many ticks may be handed in now. */
  get room() {
    if (this.keptBytes > KEPT_BYTES_MAX) return 0;
    return Math.max(0, this.keptTicksMax - (this.nextTick - this.acknowledged));
  }

  /** Whether the server says that it does not have the session. */
  get isLost() {
    return this.notice?.code === 'session_lost';
  }

  /** Whether nothing more will be sent. */
  get isOver() {
    return this.connection === 'refused' || this.connection === 'ended';
  }

  get isOpen() {
    return !this.isOver && !this.isEnding;
  }

  /** @param {Uint8Array} frame the inputs of the next tick */
  addInputs(frame) {
    this.keep(INPUTS, this.nextTick, frame);
    this.nextTick += 1;
  }

  /** The state hash at the next tick. @param {string} hex */
  addHash(hex) {
    const bytes = new Uint8Array(36);
    new DataView(bytes.buffer).setUint32(0, this.nextTick, true);
    for (let n = 0; n < 32; n++) bytes[4 + n] = Number.parseInt(hex.slice(2 * n, 2 * n + 2), 16);
    if (!this.isOpen) return;
    // In the order of a tick: hash, then marks.
    const marks = [];
    while (this.kept.length > this.sent && this.kept.at(-1)?.kind === MARK && this.kept.at(-1)?.tick === this.nextTick) marks.unshift(...this.kept.splice(-1));
    this.keep(HASH, this.nextTick, bytes);
    this.kept.push(...marks);
  }

  /** A mark that the step to the next tick emitted. @param {EmittedMark} mark */
  addMark({ kind, payload }) {
    const bytes = new Uint8Array(8 + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.nextTick, true);
    view.setUint32(4, kind, true);
    bytes.set(payload, 8);
    this.keep(MARK, this.nextTick, bytes);
  }

  /** Nothing may be added afterwards. @param {Uint8Array} reason as in the message `end` */
  end(reason) {
    if (!this.isOpen) return;
    this.keep(END, Infinity, reason);
    this.isEnding = true;
    this.flush();
    this.onChange();
  }

  /** @param {number} kind @param {number} tick @param {Uint8Array} bytes */
  keep(kind, tick, bytes) {
    if (!this.isOpen) return;
    this.kept.push({ kind, tick, bytes, at: performance.now() });
    this.keptBytes += bytes.length;
    if (this.connection === 'waiting') this.resumeNow();
    this.flushTimer ??= setTimeout(() => this.flush(), FLUSH_MILLIS);
  }

  /** Marks of the newest state wait for what follows it: its hash, which stands before them, may come with the end. */
  get canSend() {
    const next = this.kept[this.sent];
    return next !== undefined && (next.kind !== MARK || next.tick < this.nextTick || this.isEnding);
  }

  flush() {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    if (this.connection !== 'ready' || this.socket?.readyState !== WebSocket.OPEN) return;
    while (this.canSend && this.socket.bufferedAmount < SOCKET_BYTES_MAX) this.sendNext(this.socket);
    if (this.canSend) this.flushTimer = setTimeout(() => this.flush(), FLUSH_MILLIS);
  }

  /** One message: as many input frames as follow each other, or one of anything else. @param {WebSocket} socket */
  sendNext(socket) {
    const first = /** @type {Entry} */ (this.kept[this.sent]);
    /** @type {Uint8Array[]} */
    const parts = [];
    let bytes = 1;
    do {
      const entry = /** @type {Entry} */ (this.kept[this.sent]);
      parts.push(entry.bytes);
      bytes += entry.bytes.length;
      this.sent += 1;
    } while (first.kind === INPUTS && this.followsOn(bytes));
    const message = new Uint8Array(bytes);
    message[0] = first.kind;
    let at = 1;
    for (const part of parts) {
      message.set(part, at);
      at += part.length;
    }
    socket.send(message);
  }

  /** @param {number} bytes */
  followsOn(bytes) {
    const entry = this.kept[this.sent];
    return entry !== undefined && entry.kind === INPUTS && bytes + entry.bytes.length <= MESSAGE_BYTES_MAX;
  }

  connect() {
    const socket = new WebSocket(this.address);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    clearTimeout(this.connectTimer);
    this.connectTimer = setTimeout(() => this.lose(socket), CONNECT_MILLIS_MAX);
    socket.onopen = () => {
      const { module, seed, hash_every } = this.start;
      const hello = this.key ? { type: 'resume', session: this.session, key: this.key } : { type: 'start', module, seed, hash_every };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = ({ data }) => this.socket === socket && typeof data === 'string' && this.hear(JSON.parse(data));
    socket.onclose = () => this.lose(socket);
  }

  /** @param {any} message */
  hear(message) {
    this.heardAt = performance.now();
    switch (message.type) {
      case 'ready':
        this.becomeReady(message);
        break;
      case 'acknowledged':
        this.acknowledge(message.next_tick);
        break;
      case 'ended':
        this.finish(message.last_tick, message.reason);
        break;
      case 'refused':
        this.refuse(message.code, message.detail ?? '');
        break;
    }
    this.onChange();
  }

  /** @param {{session: string, key: string, next_tick: number}} message */
  becomeReady({ session, key, next_tick }) {
    clearTimeout(this.connectTimer);
    const isFirst = !this.wasReady;
    this.wasReady = true;
    this.session = session;
    this.key = key;
    keepKey({ session, key, module: this.start.module });
    // Of a session that another page began.
    if (isFirst && this.kept.length === 0) this.nextTick = next_tick;
    const oldest = this.kept[0]?.tick ?? this.nextTick;
    if (next_tick < Math.min(oldest, this.acknowledged)) {
      this.giveUp('acknowledged_lost', `It has the ticks before ${next_tick}, and had acknowledged those before ${this.acknowledged}.`);
      return;
    }
    this.readyAt = performance.now();
    this.notice = null;
    this.connection = 'ready';
    this.sent = 0;
    this.acknowledge(next_tick);
    this.flush();
    if (isFirst) this.onReady();
  }

  /** @param {number} nextTick */
  acknowledge(nextTick) {
    let dropped = 0;
    let oldestAt = null;
    for (const entry of this.kept) {
      if (entry.tick >= nextTick) break;
      if (entry.kind === INPUTS) oldestAt ??= entry.at;
      this.keptBytes -= entry.bytes.length;
      dropped += 1;
    }
    this.kept.splice(0, dropped);
    this.sent = Math.max(0, this.sent - dropped);
    if (nextTick > this.acknowledged) {
      this.acknowledged = nextTick;
      this.attempts = this.gaps = 0;
    }
    if (oldestAt !== null) this.latencyMillis = performance.now() - oldestAt;
  }

  /** Ticks that this page has run and the server will not have. */
  get lostTicks() {
    return this.isOver ? Math.max(0, this.nextTick - this.acknowledged) : 0;
  }

  /** @param {number} lastTick @param {string} reason */
  finish(lastTick, reason) {
    this.acknowledged = lastTick;
    this.ended = { lastTick, reason };
    this.connection = 'ended';
    this.notice = null;
    this.kept = [];
    forgetKey(this.session);
    this.release();
  }

  /** @param {string} code @param {string} detail */
  refuse(code, detail) {
    if (code === 'session_ended') {
      void this.learnEnd(detail);
    } else if (code === 'silent') {
      this.connection = 'waiting';
      this.notice = null;
    } else if (PASSING.has(code) && this.key !== '' && !(code === 'tick_gap' && ++this.gaps >= GAPS_MAX)) {
      this.notice = noticeOf(code, { tone: 'warn', detail });
      this.connection = 'reconnecting';
    } else {
      this.giveUp(code === 'unknown_session' ? 'session_lost' : code, detail);
    }
  }

  /** The session has ended: by this recorder, whose answer was lost, or by another one. @param {string} detail */
  async learnEnd(detail) {
    this.drop();
    this.connection = 'reconnecting';
    try {
      const { ticks, end } = await api.session(this.session);
      this.acknowledged = ticks;
      if (this.isEnding && end) this.finish(ticks, end.reason);
      else this.giveUp('session_ended', detail);
    } catch {
      // How much the server has is not known, so that it is asked again.
      if (this.connection === 'reconnecting') this.connectLater();
    }
    this.onChange();
  }

  /** @param {string} code @param {string} detail */
  giveUp(code, detail) {
    this.connection = 'refused';
    this.notice = noticeOf(code, { detail });
    forgetKey(this.session);
    this.release();
  }

  /** @param {WebSocket} socket */
  lose(socket) {
    if (this.socket !== socket) return;
    this.drop();
    if (this.isOver || this.connection === 'waiting') return;
    // Where no session has been made, none has to be ended.
    if (this.isEnding && this.key === '') return this.close();
    this.connection = 'reconnecting';
    this.notice ??= noticeOf(this.key === '' ? 'offline' : 'connection_lost', { tone: 'warn' });
    this.connectLater();
    this.onChange();
  }

  /** A server that accepts and then refuses is not asked ever faster. */
  connectLater() {
    if (performance.now() - this.readyAt > GOOD_MILLIS_MIN) this.attempts = 0;
    this.readyAt = Infinity;
    const wait = BACKOFF_MILLIS[Math.min(this.attempts, BACKOFF_MILLIS.length - 1)] ?? 0;
    this.attempts += 1;
    // Many recorders that lost the same server do not come back in the same moment.
    clearTimeout(this.connectTimer);
    this.connectTimer = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.connectTimer);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  resumeNow() {
    this.drop();
    this.connection = 'reconnecting';
    this.connect();
  }

  watchSilence() {
    // Hashes and marks at the next tick are acknowledged with its inputs, so they alone await nothing.
    const awaited = this.kept.findIndex(({ kind }) => kind === INPUTS || kind === END);
    if (this.connection !== 'ready' || awaited < 0 || awaited >= this.sent) return;
    const since = Math.max(this.heardAt, this.kept[awaited]?.at ?? 0);
    if (performance.now() - since > SILENCE_MILLIS_MAX && this.socket) this.lose(this.socket);
  }

  /** Ends a session that may not be there yet, if only the server can be reached now. */
  abandon() {
    if (this.socket?.readyState === WebSocket.OPEN) this.end(endReason.stopped());
    else this.close();
  }

  /** Closes without ending the session: it stays interrupted, and nothing acknowledged is lost. */
  close() {
    if (!this.isOver) this.connection = 'refused';
    this.drop();
    this.release();
  }

  release() {
    clearTimeout(this.flushTimer);
    clearTimeout(this.connectTimer);
    clearInterval(this.watch);
    removeEventListener('online', this.onOnline);
  }
}

/** The message `end` for how a game stopped. */
export const endReason = {
  stopped: () => Uint8Array.of(0),
  over: () => Uint8Array.of(1),
  /** @param {number} trap its class @param {Uint8Array} frame */
  trap: (trap, frame) => Uint8Array.of(2, trap, ...frame),
  /** @param {number} code @param {Uint8Array} frame */
  game(code, frame) {
    const bytes = new Uint8Array(5 + frame.length);
    bytes[0] = 3;
    new DataView(bytes.buffer).setInt32(1, code, true);
    bytes.set(frame, 5);
    return bytes;
  },
};
