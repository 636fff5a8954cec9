// Reading bytes that nobody has checked yet.

import { DecodeError } from './errors.js';

/** Reads numbers and bytes one after the other; whatever is not there is a DecodeError. */
export class ByteReader {
  /**
   * @param {Uint8Array} bytes
   * @param {string} section how errors call the bytes
   * @param {number} [base] what to add to offsets in errors
   */
  constructor(bytes, section, base = 0) {
    this.bytes = bytes;
    this.section = section;
    this.base = base;
    this.at = 0;
  }

  /** How many bytes are left. */
  get left() {
    return this.bytes.length - this.at;
  }

  /**
   * An error at the next byte.
   * @param {string} reason
   */
  error(reason) {
    return new DecodeError(this.section, this.base + this.at, reason);
  }

  /**
   * The next `count` bytes, not copied.
   * @param {number} count
   * @param {string} what
   */
  take(count, what) {
    if (count > this.left) throw this.error(`${what} is cut off`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** @param {string} what */
  u8(what) {
    return this.take(1, what)[0];
  }

  /** @param {string} what */
  u32(what) {
    const [a, b, c, d] = this.take(4, what);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /**
   * A canonical varint of at most 64 bits; above 2^53 it is not exact, which is above every limit.
   * @param {string} what
   * @param {number} [max]
   */
  varint(what, max = Infinity) {
    let value = 0;
    let scale = 1;
    for (let n = 0; n < 10; n += 1) {
      if (this.at + n >= this.bytes.length) throw this.error(`${what} is cut off`);
      const byte = this.bytes[this.at + n];
      if (n === 9 && byte > 1) break;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      if ((n > 0 && byte === 0) || value > max) break;
      this.at += n + 1;
      return value;
    }
    throw this.error(`${what} is not a canonical number or out of range`);
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Bytes in lowercase hex digits.
 * @param {Uint8Array} bytes
 */
export function toHex(bytes) {
  let hex = '';
  for (let n = 0; n < bytes.length; n += 1) hex += HEX[bytes[n]];
  return hex;
}
