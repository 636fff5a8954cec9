// The text of `trace`, `traceUtf8`, `traceUtf16` and `tracef`, as UTF-8 with ill-formed parts replaced.

import { SimulationFailure } from '../failure.js';
import { checkRange } from './screen.js';

/** The most bytes of text that one call yields; longer text is cut at a character. */
export const TRACE_BYTES_MAX = 4096;

const PERCENT = 0x25;
const BYTE_ORDER_MARK = 0xfeff;
/** Half a character that stands for any ill-formed part. */
const LONE_HALF = 0xdc00;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Reads the text from `text` up to a zero byte, a Latin-1 character a byte.
 * @param {Uint8Array} memory
 * @param {number} text
 */
export function trace(memory, text) {
  const line = new Line(memory);
  line.pushCString(text);
  return encodeUnits(line.units);
}

/**
 * Reads `bytes` bytes of UTF-8.
 * @param {Uint8Array} memory
 * @param {number} text
 * @param {number} bytes
 */
export function traceUtf8(memory, text, bytes) {
  checkRange(text, bytes);
  const whole = memory.subarray(text, text + bytes);
  const marked = whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf;
  const start = marked ? 3 : 0;
  // Decoding never shrinks UTF-8, so that a longest character more than the limit decides its bytes.
  const read = whole.slice(start, start + TRACE_BYTES_MAX + 4);
  return cut(encoder.encode(decoder.decode(read)));
}

/**
 * Reads `bytes` bytes of little-endian UTF-16; an odd last byte is ill-formed.
 * @param {Uint8Array} memory
 * @param {number} text
 * @param {number} bytes
 */
export function traceUtf16(memory, text, bytes) {
  checkRange(text, bytes);
  const count = Math.min(Math.floor(bytes / 2), TRACE_BYTES_MAX + 2);
  /** @type {number[]} */
  const units = [];
  for (let n = 0; n < count; n += 1) units.push(memory[text + 2 * n] | (memory[text + 2 * n + 1] << 8));
  // The odd byte and a half character before it are one ill-formed part, not two.
  const last = units.at(-1) ?? 0;
  if (bytes % 2 === 1 && !(last >= 0xd800 && last < 0xdc00)) units.push(LONE_HALF);
  return encodeUnits(units[0] === BYTE_ORDER_MARK ? units.slice(1) : units);
}

/**
 * Fills in the format with the arguments at `args`.
 *
 * `%c`, `%d`, `%x` and `%s` take four bytes of arguments, `%f` takes eight, `%%` none. Another character after a
 * percent sign stays as it is, a zero byte too, which then does not end the format.
 *
 * @param {Uint8Array} memory
 * @param {number} format
 * @param {number} args
 */
export function tracef(memory, format, args) {
  const line = new Line(memory);
  const from = { text: format, args };
  while (!line.isFull()) {
    const byte = line.byte(from.text);
    from.text += 1;
    if (byte === 0) break;
    if (byte !== PERCENT) {
      line.units.push(byte);
      continue;
    }
    const verb = line.byte(from.text);
    from.text += 1;
    line.pushVerb(verb, from);
  }
  return encodeUnits(line.units);
}

/** Text under way, in UTF-16 units, in which `%c` counts. */
class Line {
  /** @param {Uint8Array} memory */
  constructor(memory) {
    this.memory = memory;
    /** @type {number[]} */
    this.units = [];
  }

  /** Whether there is enough: a unit yields a byte or more, and the last may be half a character. */
  isFull() {
    return this.units.length > TRACE_BYTES_MAX;
  }

  /** @param {number} address */
  byte(address) {
    if (address >= this.memory.length) throw SimulationFailure.trap('memory out of bounds');
    return this.memory[address];
  }

  /** @param {string} text */
  pushAscii(text) {
    for (let n = 0; n < text.length; n += 1) this.units.push(text.charCodeAt(n));
  }

  /** @param {number} address */
  pushCString(address) {
    for (let at = address; !this.isFull(); at += 1) {
      const byte = this.byte(at);
      if (byte === 0) break;
      this.units.push(byte);
    }
  }

  /**
   * @param {number} verb
   * @param {{ args: number }} from
   */
  pushVerb(verb, from) {
    switch (String.fromCharCode(verb)) {
      case '%': this.units.push(PERCENT); break;
      case 'c': this.units.push(this.take(from, 4).getInt32(0, true) & 0xffff); break;
      case 'd': this.pushAscii(String(this.take(from, 4).getInt32(0, true))); break;
      case 'x': this.pushAscii(this.take(from, 4).getInt32(0, true).toString(16)); break;
      case 's': this.pushCString(this.take(from, 4).getUint32(0, true)); break;
      case 'f': this.pushAscii(String(this.take(from, 8).getFloat64(0, true))); break;
      default: this.units.push(PERCENT, verb);
    }
  }

  /**
   * The next bytes of the arguments.
   * @param {{ args: number }} from
   * @param {number} bytes
   */
  take(from, bytes) {
    checkRange(from.args, bytes);
    from.args += bytes;
    return new DataView(this.memory.buffer, this.memory.byteOffset + from.args - bytes, bytes);
  }
}

/**
 * UTF-16 as UTF-8; half characters are replaced.
 * @param {number[]} units
 */
function encodeUnits(units) {
  let text = '';
  for (let at = 0; at < units.length; at += 1024) text += String.fromCharCode(...units.slice(at, at + 1024));
  return cut(encoder.encode(text));
}

/**
 * Cuts well-formed UTF-8 at a character.
 * @param {Uint8Array} bytes
 */
function cut(bytes) {
  if (bytes.length <= TRACE_BYTES_MAX) return bytes;
  let end = TRACE_BYTES_MAX;
  while ((bytes[end] & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
