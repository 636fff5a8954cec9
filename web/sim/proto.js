// Protobuf messages, as far as session payloads need them: docs and fields are in proto/reenact/v1/session.proto.

import { ByteReader } from './bytes.js';
import { DecodeError } from './errors.js';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** A message taken apart: for each field the values that were given, in order. Unknown fields are passed over. */
export class Message {
  /**
   * @param {Uint8Array} bytes
   * @param {string} section how errors call the message
   * @param {number} offset where it begins, for errors
   */
  constructor(bytes, section, offset) {
    this.section = section;
    this.offset = offset;
    /** @type {Map<number, (bigint | { bytes: Uint8Array, offset: number })[]>} */
    this.fields = new Map();
    const reader = new ByteReader(bytes, section, offset);
    while (reader.left > 0) this.#readField(reader);
  }

  /** @param {ByteReader} reader */
  #readField(reader) {
    const tag = Number(readVarint(reader));
    const values = this.fields.get(Math.floor(tag / 8)) ?? [];
    this.fields.set(Math.floor(tag / 8), values);
    switch (tag % 8) {
      case VARINT: values.push(readVarint(reader)); break;
      case BYTES: {
        const length = Number(readVarint(reader));
        values.push({ offset: reader.base + reader.at, bytes: reader.take(length, 'field') });
        break;
      }
      case FIXED32: reader.take(4, 'field'); break;
      case FIXED64: reader.take(8, 'field'); break;
      default: throw reader.error(`a field of wire type ${tag % 8}`);
    }
  }

  /** @param {number} field */
  has(field) {
    return this.fields.has(field);
  }

  /**
   * The last value of a field, as protobuf has it.
   * @param {number} field
   */
  uint64(field) {
    const value = this.fields.get(field)?.at(-1) ?? 0n;
    if (typeof value !== 'bigint') throw this.error(`field ${field} is not a number`);
    return value;
  }

  /** @param {number} field */
  uint32(field) {
    return Number(BigInt.asUintN(32, this.uint64(field)));
  }

  /** @param {number} field */
  sint32(field) {
    const value = this.uint32(field);
    return (value >>> 1) ^ -(value & 1);
  }

  /** @param {number} field */
  bytes(field) {
    const value = this.fields.get(field)?.at(-1) ?? { bytes: new Uint8Array(0), offset: this.offset };
    if (typeof value === 'bigint') throw this.error(`field ${field} is not bytes`);
    return value.bytes;
  }

  /** @param {number} field */
  text(field) {
    return this.#utf8(this.bytes(field), field);
  }

  /** @param {number} field */
  texts(field) {
    return this.#all(field).map(({ bytes }) => this.#utf8(bytes, field));
  }

  /** @param {number} field */
  message(field) {
    return this.messages(field).at(-1) ?? new Message(new Uint8Array(0), this.section, this.offset);
  }

  /** @param {number} field */
  messages(field) {
    return this.#all(field).map(({ bytes, offset }) => new Message(bytes, this.section, offset));
  }

  /**
   * A repeated number, packed or not.
   * @param {number} field
   */
  uint32s(field) {
    /** @type {number[]} */
    const numbers = [];
    for (const value of this.fields.get(field) ?? []) {
      if (typeof value === 'bigint') {
        numbers.push(Number(BigInt.asUintN(32, value)));
        continue;
      }
      const reader = new ByteReader(value.bytes, this.section, value.offset);
      while (reader.left > 0) numbers.push(Number(BigInt.asUintN(32, readVarint(reader))));
    }
    return numbers;
  }

  /** @param {string} reason */
  error(reason) {
    return new DecodeError(this.section, this.offset, reason);
  }

  /** @param {number} field */
  #all(field) {
    return (this.fields.get(field) ?? []).map((value) => {
      if (typeof value === 'bigint') throw this.error(`field ${field} is not bytes`);
      return value;
    });
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} field
   */
  #utf8(bytes, field) {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.error(`field ${field} is not utf-8`);
    }
  }
}

/** @param {ByteReader} reader */
function readVarint(reader) {
  let value = 0n;
  for (let n = 0; n < 10; n += 1) {
    const byte = reader.u8('varint');
    value |= BigInt(byte & 0x7f) << BigInt(7 * n);
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw reader.error('a varint of more than ten bytes');
}
