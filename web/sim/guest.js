// What the host keeps for a guest beside its memory and globals.

import { SimulationFailure } from './failure.js';

export const MARKS_PER_TICK_MAX = 256;
export const MARK_BYTES_PER_TICK_MAX = 64 << 10;
export const LOG_BYTES_PER_TICK_MAX = 64 << 10;
export const DISK_BYTES_MAX = 1024;

/**
 * @typedef {{ kind: number, payload: Uint8Array }} Mark
 * @typedef {{ level: number, text: string }} LogLine
 */

/** Disk, marks and log of a guest, and its memory as it is now. */
export class Guest {
  /** @param {Uint8Array} disk */
  constructor(disk) {
    /** The console disk: what was last written. Part of the state. */
    this.disk = disk.slice();
    /** @type {Mark[]} emitted since the tick began */
    this.marks = [];
    this.markBytes = 0;
    /** @type {LogLine[]} logged since the tick began */
    this.logs = [];
    this.logBytes = 0;
    /** @type {WebAssembly.Memory | null} set as soon as the instance is there */
    this.memory = null;
    this.view = new Uint8Array(0);
  }

  /** The whole linear memory, which moves when it grows. */
  bytes() {
    if (this.memory !== null && this.view.buffer !== this.memory.buffer) {
      this.view = new Uint8Array(this.memory.buffer);
    }
    return this.view;
  }

  /** Forgets what was emitted in the tick before. */
  beginTick() {
    this.marks = [];
    this.logs = [];
    this.markBytes = 0;
    this.logBytes = 0;
  }

  /**
   * `bytes` bytes at `address`, not copied; outside memory they are a trap.
   * @param {number} address
   * @param {number} bytes
   */
  slice(address, bytes) {
    const memory = this.bytes();
    const [start, length] = [address >>> 0, bytes >>> 0];
    if (start + length > memory.length) throw SimulationFailure.trap('memory out of bounds');
    return memory.subarray(start, start + length);
  }

  /**
   * Emits a mark within the limits of a tick; the payload is copied.
   * @param {number} kind
   * @param {Uint8Array} payload
   */
  mark(kind, payload) {
    within('marks a tick', this.marks.length + 1, MARKS_PER_TICK_MAX);
    within('bytes of marks a tick', this.markBytes + payload.length, MARK_BYTES_PER_TICK_MAX);
    this.markBytes += payload.length;
    this.marks.push({ kind: kind >>> 0, payload: payload.slice() });
  }

  /**
   * Emits a mark for a cart, which knows nothing of marks and of their limits: above them, it has none.
   * @param {number} kind
   * @param {Uint8Array} payload
   */
  markIfRoom(kind, payload) {
    const room = this.marks.length < MARKS_PER_TICK_MAX;
    if (room && this.markBytes + payload.length <= MARK_BYTES_PER_TICK_MAX) this.mark(kind, payload);
  }

  /**
   * @param {number} level
   * @param {Uint8Array} text
   */
  log(level, text) {
    // An empty line takes room too.
    const bytes = this.logBytes + text.length + 1;
    within('bytes of log a tick', bytes, LOG_BYTES_PER_TICK_MAX);
    this.logBytes = bytes;
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    this.logs.push({ level: level >>> 0, text: decoder.decode(text.slice()) });
  }
}

/**
 * @param {string} what
 * @param {number} actual
 * @param {number} limit
 */
function within(what, actual, limit) {
  if (actual > limit) throw SimulationFailure.limit(what, limit);
}

/**
 * A number as host functions take it: whole, its low 32 bits, 0 where there is none. Modules may import a
 * function under another signature than the host's, so that anything may come.
 * @param {number | bigint | undefined} value
 */
export function int(value) {
  return typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : /** @type {number} */ (value) | 0;
}

/**
 * A result under whatever signature the module imports the function: of text, engines make an i32, an i64 and
 * a float alike, of a number no i64.
 * @param {number} value
 */
export function result(value) {
  return value === 0 ? '0' : String(value);
}
