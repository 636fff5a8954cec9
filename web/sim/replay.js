// Reads replay files, format version 1: docs/spec/replay-format.md.

import { blake3 } from './blake3.js';
import { ByteReader, toHex } from './bytes.js';
import { crc32c } from './crc32c.js';
import { DecodeError } from './errors.js';
import { TRAP_CLASSES } from './failure.js';
import { DISK_BYTES_MAX, MARK_BYTES_PER_TICK_MAX } from './guest.js';
import { InputError, Schema, TICK_MAX, Timeline, decodeBlock } from './inputs.js';
import { decompress } from './lz4.js';
import { describeModule } from './module.js';
import { Message } from './proto.js';

export { DecodeError } from './errors.js';

export const FORMAT_VERSION = 1;
export const REPLAY_BYTES_MAX = 2 ** 30;
export const STATE_BYTES_MAX = 2 ** 26 + 2 ** 16;
export const RECORD_BYTES_MAX = STATE_BYTES_MAX + 2 ** 20;
export const SMALL_RECORD_BYTES_MAX = 2 ** 20;
export const CONFIG_BYTES_MAX = 2 ** 16;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

const MAGIC = [0x89, 0x52, 0x45, 0x45, 0x4e, 0x41, 0x0d, 0x0a];
const HEAD_BYTES = 12;
/** Record types from this one on may be passed over by a reader that does not know them. */
const SKIPPABLE = 128;

const STARTED = 1;
const INPUTS = 2;
const HASHES = 3;
const MARK = 4;
const KEYFRAME = 5;
const MODULE = 6;
const ENDED = 7;
/** What errors call the records, and how large they may be. */
const RECORDS = new Map([
  [STARTED, { name: 'session start', bytesMax: SMALL_RECORD_BYTES_MAX }],
  [INPUTS, { name: 'input block', bytesMax: RECORD_BYTES_MAX }],
  [HASHES, { name: 'hashes', bytesMax: SMALL_RECORD_BYTES_MAX }],
  [MARK, { name: 'mark', bytesMax: SMALL_RECORD_BYTES_MAX }],
  [KEYFRAME, { name: 'keyframe', bytesMax: RECORD_BYTES_MAX }],
  [MODULE, { name: 'module', bytesMax: RECORD_BYTES_MAX }],
  [ENDED, { name: 'session end', bytesMax: SMALL_RECORD_BYTES_MAX }],
]);

/**
 * @typedef {{ type: number, name: string, offset: number, payload: Uint8Array }} Rec
 * @typedef {{ tick: number, kind: number, payload: Uint8Array }} TickMark
 * @typedef {{ tick: number, stateBytes: number, compressed: Uint8Array }} Keyframe
 * @typedef {{ reason: 'stopped' | 'over' | 'failed' | 'truncated', detail: string | null, trap?: string,
 *   code?: number }} End
 *
 * A whole session that can be played. `session` has the shape of `GET /v1/sessions/{session}`; `rewritten` is null
 * in it, since a file holds the module as it was handed in.
 * @typedef {object} Replay
 * @property {any} session
 * @property {Timeline} timeline what participants did
 * @property {number} lastTick the last tick there is a state of
 * @property {End} end
 * @property {Map<number, string>} hashes in hex
 * @property {TickMark[]} marks in order of ticks
 * @property {Map<number, () => Uint8Array | null>} keyframes decompressed when they are asked for
 * @property {Uint8Array | null} module
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Replay}
 * @throws {DecodeError} the bytes are no replay of this version; the error names the part and the byte
 */
export function decodeReplay(bytes) {
  checkHead(bytes);
  const records = readRecords(bytes);
  const first = records.next().value;
  if (first === undefined) throw new DecodeError('record', bytes.length, 'the file is truncated');
  if (first.type !== STARTED) throw outOfPlace(first, "a replay begins with the session's start");
  const parts = new Parts(first);
  for (const record of records) {
    if (record.type === ENDED) {
      if (record.offset + 9 + record.payload.length < bytes.length) {
        throw outOfPlace(record, "bytes after the session's end");
      }
      return parts.finish(record);
    }
    parts.take(record);
  }
  throw new DecodeError('record', bytes.length, 'the file is truncated');
}

/** @param {Uint8Array} bytes */
function checkHead(bytes) {
  if (bytes.length > REPLAY_BYTES_MAX) {
    throw new DecodeError('file', 0, `${bytes.length} bytes, where at most ${REPLAY_BYTES_MAX} are allowed`);
  }
  const known = bytes.subarray(0, MAGIC.length);
  if (bytes.length === 0 || known.some((byte, n) => byte !== MAGIC[n])) {
    throw new DecodeError('file head', 0, 'not a replay file');
  }
  if (bytes.length < HEAD_BYTES) throw new DecodeError('file head', bytes.length, 'the file is truncated');
  const version = new ByteReader(bytes.subarray(8), 'file head', 8).u32('version');
  if (version !== FORMAT_VERSION) {
    throw new DecodeError('file head', 8, `format version ${version}, where ${FORMAT_VERSION} is supported`);
  }
}

/**
 * The records of known types, one after the other.
 * @param {Uint8Array} bytes
 * @returns {Generator<Rec, void>}
 */
function* readRecords(bytes) {
  const reader = new ByteReader(bytes, 'record');
  reader.at = HEAD_BYTES;
  while (reader.left > 0) {
    const offset = reader.at;
    const fail = (/** @type {string} */ reason) => new DecodeError('record', offset, reason);
    if (reader.left < 5) throw fail('the file is truncated');
    const type = reader.u8('type');
    const length = reader.u32('length');
    if (length > RECORD_BYTES_MAX) throw fail(`${length} bytes, where at most ${RECORD_BYTES_MAX} are allowed`);
    if (reader.left < length + 4) throw fail('the file is truncated');
    const payload = reader.take(length, 'payload');
    const saved = reader.u32('checksum');
    const calculated = crc32c(bytes.subarray(offset, offset + 5 + length));
    if (saved !== calculated) {
      throw fail(`checksum ${saved.toString(16)} is saved, ${calculated.toString(16)} calculated`);
    }
    const known = RECORDS.get(type);
    if (known === undefined && type < SKIPPABLE) {
      throw fail(`record type ${type} is unknown and may not be passed over`);
    }
    if (known === undefined) continue;
    const { name, bytesMax } = known;
    if (length > bytesMax) {
      throw new DecodeError(name, offset, `${length} bytes, where at most ${bytesMax} are allowed`);
    }
    yield { type, name, offset, payload };
  }
}

/**
 * @param {Rec} record
 * @param {string} reason
 */
function outOfPlace(record, reason) {
  return new DecodeError(record.name, record.offset, `out of place: ${reason}`);
}

/** A replay while its records are read. */
class Parts {
  /** @param {Rec} start */
  constructor(start) {
    this.session = decodeStart(start);
    this.timeline = new Timeline(new Schema(this.session));
    /** @type {Map<number, string>} */
    this.hashes = new Map();
    this.lastHash = -1;
    /** @type {TickMark[]} */
    this.marks = [];
    /** @type {Keyframe[]} */
    this.keyframes = [];
    /** @type {Uint8Array | null} */
    this.module = null;
  }

  /** @param {Rec} record */
  take(record) {
    switch (record.type) {
      case STARTED: throw outOfPlace(record, 'a second start of the session');
      case INPUTS: {
        const block = decodeBlock(this.timeline.schema, record.payload, record.offset + 5);
        this.timeline.push(block, record.offset);
        break;
      }
      case HASHES: this.#takeHashes(record); break;
      case MARK: this.#takeMark(record); break;
      case KEYFRAME: this.keyframes.push(decodeKeyframe(record)); break;
      default: this.#takeModule(record);
    }
  }

  /** @param {Rec} record */
  #takeHashes(record) {
    const message = new Message(record.payload, record.name, record.offset + 5);
    const ticks = message.uint32s(1);
    const hashes = message.bytes(2);
    if (hashes.length !== ticks.length * 32) {
      throw message.error(`${hashes.length} bytes of hashes for ${ticks.length} ticks`);
    }
    ticks.forEach((tick, n) => {
      if (tick <= this.lastHash) throw outOfPlace(record, 'hashes that are not in order of ticks');
      this.lastHash = tick;
      this.hashes.set(tick, toHex(hashes.subarray(32 * n, 32 * (n + 1))));
    });
  }

  /** @param {Rec} record */
  #takeMark(record) {
    const message = new Message(record.payload, record.name, record.offset + 5);
    const payload = message.bytes(3);
    if (payload.length > MARK_BYTES_PER_TICK_MAX) {
      throw message.error(`${payload.length} bytes, where at most ${MARK_BYTES_PER_TICK_MAX} are allowed`);
    }
    this.marks.push({ tick: message.uint32(1), kind: message.uint32(2), payload });
  }

  /** @param {Rec} record */
  #takeModule(record) {
    if (this.module !== null || blake3(record.payload) !== this.session.module) {
      throw outOfPlace(record, 'not the module that the session names');
    }
    this.module = record.payload;
  }

  /**
   * Checks what only the whole tells.
   * @param {Rec} record
   * @returns {Replay}
   */
  finish(record) {
    const { lastTick, end } = decodeEnd(record);
    const { timeline, hashes, marks, module } = this;
    const tail = timeline.endTick - lastTick;
    if (tail !== 0 && !(tail === 1 && end.reason === 'failed')) {
      throw outOfPlace(record, 'the end is not where the inputs end');
    }
    this.keyframes.sort((a, b) => a.tick - b.tick);
    const latest = Math.max(this.lastHash, this.keyframes.at(-1)?.tick ?? 0, marks.at(-1)?.tick ?? 0);
    if (marks.some((mark, n) => n > 0 && mark.tick < marks[n - 1].tick)) {
      throw outOfPlace(record, 'marks that are not in order of ticks');
    }
    if (latest > lastTick) throw outOfPlace(record, "a tick after the session's end");
    const described = { ...describeModule(module, this.session.console), ticks: lastTick, end };
    /** @type {Map<number, () => Uint8Array | null>} */
    const keyframes = new Map();
    for (const { tick, stateBytes, compressed } of this.keyframes) {
      keyframes.set(tick, () => decompress(compressed, stateBytes));
    }
    return { session: { ...this.session, ...described }, timeline, lastTick, end, hashes, marks, keyframes, module };
  }
}

/** @param {Rec} record */
function decodeStart(record) {
  const message = new Message(record.payload, record.name, record.offset + 5);
  const simulation = decodeSimulation(message);
  const columns = message.messages(10).map(decodeColumn);
  const rate = { ticks: message.uint32(7), seconds: message.uint32(8) };
  const [config, disk] = [message.bytes(5), message.bytes(6)];
  const slow = rate.ticks * 3600 < rate.seconds;
  if (rate.ticks === 0 || rate.seconds === 0 || slow || rate.ticks > rate.seconds * 1_000_000) {
    throw message.error(`a rate of ${rate.ticks} ticks in ${rate.seconds} seconds`);
  }
  for (const [what, bytes, limit] of /** @type {const} */ ([
    ['config', config, CONFIG_BYTES_MAX], ['disk', disk, DISK_BYTES_MAX],
  ])) {
    if (bytes.length > limit) throw message.error(`${what} of ${bytes.length} bytes, where ${limit} are allowed`);
  }
  const names = columns.map(({ name }) => name);
  if (new Set(names).size < names.length) throw message.error('two input columns of one name');
  const session = {
    session: null,
    game: message.text(3),
    console: simulation.console,
    module: simulation.module,
    participants: message.uint32(9),
    rate,
    started_at: null,
    state: 'ended',
    simulation,
    seed: String(message.uint64(4)),
    config: toBase64(config),
    disk: toBase64(disk),
    columns,
    hash_every: message.uint32(11),
  };
  try {
    new Schema(session);
  } catch (error) {
    throw error instanceof InputError ? message.error(error.message) : error;
  }
  return session;
}

/** @param {Message} message */
function decodeSimulation(message) {
  if (message.has(2)) return { console: 'native', module: null, rewritten: null };
  const wasm = message.message(1);
  const hash = wasm.bytes(1);
  const console = [null, 'reenact1', 'wasm4'][wasm.uint32(2)] ?? null;
  if (hash.length !== 32 || console === null || !wasm.has(4)) throw wasm.error('no simulation that is known');
  const limits = wasm.message(4);
  return {
    console,
    module: toHex(hash),
    rewriter_version: wasm.uint32(3),
    limits: {
      memory_pages: limits.uint32(1),
      stack_bytes: limits.uint32(2),
      init_fuel: String(limits.uint64(3)),
      tick_fuel: String(limits.uint64(4)),
    },
    rewritten: null,
  };
}

/**
 * @param {Message} message
 * @returns {import('./inputs.js').ColumnJson}
 */
function decodeColumn(message) {
  if (!message.has(2) && !message.has(3)) throw message.error('an input column without a kind');
  const buttons = message.message(2).texts(1);
  const name = message.text(1);
  const bits = message.uint32(4);
  const bad = [name, ...buttons].find((text) => !NAME.test(text));
  if (bad !== undefined) throw message.error(`name ${JSON.stringify(bad.slice(0, 80))}`);
  if (buttons.length > bits) throw message.error(`column ${name} names ${buttons.length} buttons in ${bits} bits`);
  return { name, kind: message.has(2) ? 'buttons' : 'axis', bits, buttons };
}

/**
 * @param {Rec} record
 * @returns {Keyframe}
 */
function decodeKeyframe(record) {
  const reader = new ByteReader(record.payload, record.name, record.offset + 5);
  const tick = reader.u32('tick');
  const stateBytes = reader.u32('length of the state');
  const compressed = reader.take(reader.left, 'state');
  if (stateBytes > STATE_BYTES_MAX) {
    throw reader.error(`${stateBytes} bytes, where at most ${STATE_BYTES_MAX} are allowed`);
  }
  // No block expands more than 255 times: what claims to is damaged, and is not allocated.
  if (stateBytes > compressed.length * 255) throw reader.error('the state does not decompress');
  return { tick, stateBytes, compressed };
}

/** @param {Rec} record */
function decodeEnd(record) {
  const message = new Message(record.payload, record.name, record.offset + 5);
  const lastTick = message.uint32(1);
  if (lastTick > TICK_MAX) throw message.error('a tick after the last there is');
  return { lastTick, end: decodeReason(message) };
}

/**
 * @param {Message} message
 * @returns {End}
 */
function decodeReason(message) {
  if (message.has(2)) return { reason: 'stopped', detail: null };
  if (message.has(3)) return { reason: 'over', detail: null };
  if (message.has(5)) return { reason: 'truncated', detail: null };
  if (!message.has(4)) throw message.error('an end without a reason');
  const failed = message.message(4);
  if (failed.has(1)) {
    const trap = Object.keys(TRAP_CLASSES).find((name) => TRAP_CLASSES[name] === failed.uint32(1));
    if (trap === undefined) throw message.error(`trap class ${failed.uint32(1)}`);
    return { reason: 'failed', detail: `trap: ${trap}`, trap };
  }
  if (failed.has(2)) {
    const code = failed.sint32(2);
    return { reason: 'failed', detail: `the game gave error ${code}`, code };
  }
  if (!failed.has(3)) throw message.error('a failure of no kind');
  const limit = failed.message(3);
  return { reason: 'failed', detail: `${limit.text(1)} above the limit of ${limit.uint64(2)}` };
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
