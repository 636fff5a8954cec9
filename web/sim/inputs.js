// What participants did: declared columns, the values of one tick, and all of a session's ticks.
//
// The input frame is that of docs/spec/reenact1.md, the block that of docs/spec/replay-format.md.

import { ByteReader } from './bytes.js';
import { DecodeError } from './errors.js';

export const PARTICIPANTS_MAX = 64;
export const COLUMNS_MAX = 16;
export const BLOCK_ROWS_MAX = 65_536;
export const TICK_MAX = 2 ** 32 - 1;
const FRAME_HEAD_BYTES = 16;

/** A value, a row or a participant that a session cannot have. */
export class InputError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'InputError';
  }
}

/**
 * One declared number of a participant's input.
 * @typedef {{ name: string, kind: 'buttons' | 'axis', bits: number, buttons?: string[] }} ColumnJson
 * @typedef {{ name: string, kind: 'buttons' | 'axis', bits: 8 | 16 | 32, buttons: string[], bytes: number,
 *   min: number, max: number }} Column
 */

/** The declared input of a session: how many participants, and the columns that each of them has. */
export class Schema {
  /**
   * Takes the JSON of a session or of a module; docs/spec/service.md.
   * @param {{ participants: number, columns: ColumnJson[] }} json
   */
  constructor({ participants, columns }) {
    if (!(Number.isInteger(participants) && participants >= 1 && participants <= PARTICIPANTS_MAX)) {
      throw new InputError(`${participants} participants, where 1 to ${PARTICIPANTS_MAX} are allowed`);
    }
    if (!(columns.length >= 1 && columns.length <= COLUMNS_MAX)) {
      throw new InputError(`${columns.length} input columns, where 1 to ${COLUMNS_MAX} are allowed`);
    }
    this.participants = participants;
    /** @type {readonly Column[]} */
    this.columns = columns.map(readColumn);
    /** Bytes of one participant's row. */
    this.strideBytes = this.columns.reduce((bytes, column) => bytes + column.bytes, 0);
    /** Bytes of one tick's input frame, head included. */
    this.frameBytes = FRAME_HEAD_BYTES + participants * this.strideBytes;
  }

  /**
   * The values of one row, as a game suggests it; null if the bytes are of another length.
   * @param {Uint8Array} bytes
   */
  rowFromBytes(bytes) {
    if (bytes.length !== this.strideBytes) return null;
    let at = 0;
    return this.columns.map((column) => {
      at += column.bytes;
      return load(column, readValue(column, bytes, at - column.bytes));
    });
  }
}

/**
 * @param {ColumnJson} json
 * @returns {Column}
 */
function readColumn({ name, kind, bits, buttons }) {
  if (bits !== 8 && bits !== 16 && bits !== 32) {
    throw new InputError(`column ${name} of ${bits} bits, where 8, 16 or 32 are allowed`);
  }
  const signed = kind === 'axis';
  const [min, max] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return { name, kind, bits, buttons: buttons ?? [], bytes: bits / 8, min, max };
}

/**
 * The number that a column's stored 32 bits stand for.
 * @param {Column} column
 * @param {number} stored
 */
function load(column, stored) {
  return column.kind === 'buttons' ? stored >>> 0 : stored;
}

/**
 * The stored 32 bits of a value in a row.
 * @param {Column} column
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function readValue(column, bytes, at) {
  let raw = 0;
  for (let n = 0; n < column.bytes; n += 1) raw |= bytes[at + n] << (8 * n);
  const shift = 32 - column.bits;
  return column.kind === 'axis' ? (raw << shift) >> shift : raw;
}

/** The merged inputs of all participants at one tick. An absent participant's values are all zero. */
export class Inputs {
  /**
   * Nobody present.
   * @param {Schema} schema
   */
  constructor(schema) {
    this.schema = schema;
    /** Bit p is set while participant p takes part, participants 0 to 31 and 32 to 63. */
    this.present = new Uint32Array(2);
    /** The stored values, participant by participant; a 32-bit mask as the signed number of its bits. */
    this.values = new Int32Array(schema.participants * schema.columns.length);
  }

  /** @param {number} participant */
  isPresent(participant) {
    return ((this.present[participant >>> 5] >>> (participant & 31)) & 1) === 1;
  }

  /**
   * The values of a participant, one a column; null while absent.
   * @param {number} participant
   */
  get(participant) {
    if (participant >= this.schema.participants || !this.isPresent(participant)) return null;
    const { columns } = this.schema;
    return columns.map((column, n) => load(column, this.values[participant * columns.length + n]));
  }

  /**
   * Sets what a participant did, one value a column, and makes it present.
   * @param {number} participant
   * @param {ArrayLike<number>} values
   */
  set(participant, values) {
    const { columns } = this.schema;
    this.#check(participant);
    if (values.length !== columns.length) {
      throw new InputError(`${values.length} values for ${columns.length} input columns`);
    }
    columns.forEach(({ name, min, max }, n) => {
      if (!(Number.isInteger(values[n]) && values[n] >= min && values[n] <= max)) {
        throw new InputError(`${values[n]} in column ${name}, which holds ${min} to ${max}`);
      }
    });
    this.values.set(values, participant * columns.length);
    this.present[participant >>> 5] |= 1 << (participant & 31);
  }

  /**
   * Makes a participant absent.
   * @param {number} participant
   */
  remove(participant) {
    this.#check(participant);
    const columns = this.schema.columns.length;
    this.values.fill(0, participant * columns, (participant + 1) * columns);
    this.present[participant >>> 5] &= ~(1 << (participant & 31));
  }

  /** Makes everybody absent. */
  clear() {
    this.values.fill(0);
    this.present.fill(0);
  }

  /**
   * Takes over other inputs of the same schema.
   * @param {Inputs} other
   */
  copyFrom(other) {
    this.values.set(other.values);
    this.present.set(other.present);
  }

  clone() {
    const copy = new Inputs(this.schema);
    copy.copyFrom(this);
    return copy;
  }

  /** @param {Inputs} other */
  equals(other) {
    return (
      this.present.every((bits, n) => bits === other.present[n]) &&
      this.values.length === other.values.length &&
      this.values.every((value, n) => value === other.values[n])
    );
  }

  /**
   * The input frame of `tick`.
   * @param {number} tick
   * @param {Uint8Array} [frame] where to write it, of the schema's `frameBytes`
   */
  writeFrame(tick, frame = new Uint8Array(this.schema.frameBytes)) {
    const { participants, columns, strideBytes } = this.schema;
    writeWord(frame, 0, tick);
    writeWord(frame, 4, participants | (strideBytes << 16));
    writeWord(frame, 8, this.present[0]);
    writeWord(frame, 12, this.present[1]);
    let at = FRAME_HEAD_BYTES;
    for (let n = 0; n < this.values.length; n += 1) {
      const value = this.values[n];
      const { bytes } = columns[n % columns.length];
      for (let byte = 0; byte < bytes; byte += 1) frame[at + byte] = value >> (8 * byte);
      at += bytes;
    }
    return frame;
  }

  /** @param {number} participant */
  #check(participant) {
    if (!(Number.isInteger(participant) && participant >= 0 && participant < this.schema.participants)) {
      throw new InputError(`participant ${participant} in a session of ${this.schema.participants}`);
    }
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} word
 */
function writeWord(bytes, at, word) {
  for (let n = 0; n < 4; n += 1) bytes[at + n] = word >>> (8 * n);
}

/**
 * The rows of a span of ticks: what changed.
 * @typedef {object} Block
 * @property {number} firstTick
 * @property {number} endTick the first tick after the block
 * @property {Float64Array} ticks of each row
 * @property {Uint8Array} heads of each row: participant x 2, plus 1 if it is present
 * @property {Int32Array} values one a row and column
 */

/**
 * Reads one input block.
 * @param {Schema} schema
 * @param {Uint8Array} bytes
 * @param {number} [base] what to add to offsets in errors
 * @returns {Block}
 */
export function decodeBlock(schema, bytes, base = 0) {
  const reader = new ByteReader(bytes, 'input block', base);
  const codec = reader.varint('codec');
  if (codec !== 0) throw reader.error(`codec ${codec}, where at most 0 is known`);
  const firstTick = reader.varint('first tick', TICK_MAX);
  const endTick = firstTick + reader.varint('tick count', TICK_MAX - firstTick);
  const columns = reader.varint('column count');
  if (columns !== schema.columns.length) {
    throw reader.error(`${columns} columns in a session of ${schema.columns.length}`);
  }
  const rows = reader.varint('row count');
  if (rows > BLOCK_ROWS_MAX) throw reader.error(`${rows} rows, where at most ${BLOCK_ROWS_MAX} are allowed`);
  // A row takes two bytes and more, so that a length alone allocates nothing.
  if (rows * 2 > reader.left) throw reader.error('row is cut off');
  const block = {
    firstTick,
    endTick,
    ticks: new Float64Array(rows),
    heads: new Uint8Array(rows),
    values: new Int32Array(rows * columns),
  };
  const last = { row: new Int32Array(PARTICIPANTS_MAX * columns), present: new Uint8Array(PARTICIPANTS_MAX) };
  for (let row = 0; row < rows; row += 1) decodeRow(schema, reader, block, row, last);
  if (reader.left > 0) throw reader.error(`${reader.left} bytes after the last row`);
  return block;
}

/**
 * @param {Schema} schema
 * @param {ByteReader} reader
 * @param {Block} block
 * @param {number} row
 * @param {{ row: Int32Array, present: Uint8Array }} last each participant's last values, and who is present
 */
function decodeRow(schema, reader, block, row, last) {
  const before = row === 0 ? block.firstTick : block.ticks[row - 1];
  const tick = before + reader.varint('row tick', block.endTick - before);
  const head = reader.varint('row participant', schema.participants * 2 - 1);
  const participant = head >> 1;
  const ordered = row === 0 || tick > before || participant > block.heads[row - 1] >> 1;
  if (!ordered || tick >= block.endTick) {
    throw reader.error(`row ${row} is out of order or outside the block's ticks`);
  }
  block.ticks[row] = tick;
  block.heads[row] = head;
  let changed = last.present[participant] !== (head & 1);
  last.present[participant] = head & 1;
  if ((head & 1) === 1 && decodeValues(schema, reader, block, row, last.row)) changed = true;
  if (!changed) throw reader.error(`row ${row} changes nothing`);
}

/**
 * Reads the values of a row; gives whether one of them is another than the last.
 * @param {Schema} schema
 * @param {ByteReader} reader
 * @param {Block} block
 * @param {number} row
 * @param {Int32Array} last
 */
function decodeValues(schema, reader, block, row, last) {
  const count = schema.columns.length;
  let changed = false;
  for (let n = 0; n < count; n += 1) {
    const zigzag = reader.varint('row value', 2 ** 32 - 1);
    const delta = (zigzag >>> 1) ^ -(zigzag & 1);
    const slot = (block.heads[row] >> 1) * count + n;
    const value = (last[slot] + delta) | 0;
    const column = schema.columns[n];
    const loaded = load(column, value);
    if (loaded < column.min || loaded > column.max) {
      throw reader.error('row value is not a canonical number or out of range');
    }
    if (value !== last[slot]) changed = true;
    last[slot] = value;
    block.values[row * count + n] = value;
  }
  return changed;
}

/**
 * Reads the body of `GET /v1/sessions/{id}/inputs`: blocks, each after its length.
 * @param {Schema} schema
 * @param {Uint8Array} bytes
 */
export function decodeBlocks(schema, bytes) {
  const timeline = new Timeline(schema);
  timeline.append(bytes);
  return timeline;
}

/** What participants did from tick 0 on, without a gap. */
export class Timeline {
  /** @param {Schema} schema */
  constructor(schema) {
    this.schema = schema;
    /** @type {Block[]} each begins where the one before ends, the first at tick 0 */
    this.blocks = [];
    this.shared = new TimelineReader(this);
  }

  /** The first tick of which no input is known. */
  get endTick() {
    return this.blocks.at(-1)?.endTick ?? 0;
  }

  /** How many rows there are: one for each change of one participant, and some at the start of a block. */
  get rows() {
    return this.blocks.reduce((rows, block) => rows + block.ticks.length, 0);
  }

  /**
   * Adds blocks, each after its length, that begin where the timeline ends. Of bytes that are bad nothing is
   * added.
   * @param {Uint8Array} bytes
   */
  append(bytes) {
    const reader = new ByteReader(bytes, 'input blocks');
    const blocks = [];
    let end = this.endTick;
    while (reader.left > 0) {
      const length = reader.u32('length of a block');
      const offset = reader.at;
      const block = decodeBlock(this.schema, reader.take(length, 'block'), offset);
      checkPlace(block, end, offset);
      end = block.endTick;
      blocks.push(block);
    }
    for (const block of blocks) this.blocks.push(block);
  }

  /**
   * Adds one block that begins where the timeline ends.
   * @param {Block} block
   * @param {number} [offset] where it was found, for errors
   */
  push(block, offset = 0) {
    checkPlace(block, this.endTick, offset);
    this.blocks.push(block);
  }

  /**
   * Puts the inputs of `tick` into `inputs`; false past the end, and then nothing is changed. Quick when ticks
   * are asked for in order; whoever reads beside others takes a reader of its own.
   * @param {number} tick
   * @param {Inputs} inputs
   */
  at(tick, inputs) {
    return this.shared.at(tick, inputs);
  }

  /** A reader with a place of its own. */
  reader() {
    return new TimelineReader(this);
  }

  /**
   * The place of the block that holds `tick`, or how many blocks there are.
   * @param {number} tick
   */
  find(tick) {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.blocks[middle].endTick <= tick) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * @param {Block} block
 * @param {number} expected
 * @param {number} offset
 */
function checkPlace(block, expected, offset) {
  if (block.firstTick !== expected) {
    throw new DecodeError('input block', offset, `begins at tick ${block.firstTick}, where ${expected} is next`);
  }
  if (block.endTick === block.firstTick) throw new DecodeError('input block', offset, 'covers no tick');
}

/** Gives the inputs of a timeline tick by tick. */
export class TimelineReader {
  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    this.block = -1;
    this.row = 0;
    this.tick = -1;
    this.inputs = new Inputs(timeline.schema);
  }

  /**
   * As `at` of the timeline.
   * @param {number} tick
   * @param {Inputs} inputs
   */
  at(tick, inputs) {
    const place = this.#blockAt(tick);
    const block = this.timeline.blocks[place];
    if (block === undefined || tick < 0) return false;
    if (place !== this.block || this.tick > tick) {
      this.inputs.clear();
      this.block = place;
      this.row = 0;
    }
    this.#apply(block, tick);
    this.tick = tick;
    inputs.copyFrom(this.inputs);
    return true;
  }

  /** @param {number} tick */
  #blockAt(tick) {
    const current = this.timeline.blocks[this.block];
    const inside = current !== undefined && current.firstTick <= tick && tick < current.endTick;
    return inside ? this.block : this.timeline.find(tick);
  }

  /**
   * Applies the rows that take effect at or before `tick`.
   * @param {Block} block
   * @param {number} tick
   */
  #apply(block, tick) {
    const columns = this.timeline.schema.columns.length;
    const { values, present } = this.inputs;
    for (; this.row < block.ticks.length && block.ticks[this.row] <= tick; this.row += 1) {
      const head = block.heads[this.row];
      const participant = head >> 1;
      for (let n = 0; n < columns; n += 1) {
        values[participant * columns + n] = block.values[this.row * columns + n];
      }
      const bit = 1 << (participant & 31);
      if ((head & 1) === 1) present[participant >>> 5] |= bit;
      else present[participant >>> 5] &= ~bit;
    }
  }
}
