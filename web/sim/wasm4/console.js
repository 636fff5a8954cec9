// The WASM-4 console, as docs/spec/wasm4.md fixes it: the functions that it lends a cart, what happens before
// each tick, and the picture.

import { DISK_BYTES_MAX, int, result } from '../guest.js';
import { drawBlit } from './blit.js';
import { drawOval } from './oval.js';
import { FRAME, FRAME_END, HEIGHT, Screen, WIDTH, checkRange } from './screen.js';
import { drawText, drawTextUtf16, drawTextUtf8 } from './text.js';
import { trace, traceUtf16, traceUtf8, tracef } from './trace.js';

/**
 * @typedef {import('../guest.js').Guest} Guest
 * @typedef {import('../inputs.js').Inputs} Inputs
 * @typedef {number | bigint | undefined} Argument
 * @typedef {(...args: Argument[]) => string} HostFunction a text as result suits every signature
 */

export const PARTICIPANTS = 4;
export const MARK_TONE = 1;
export const MARK_TRACE = 2;

const PALETTE = 0x04;
const PADS = 0x16;
const MOUSE = 0x1a;
const SYSTEM_FLAGS = 0x1f;
const PRESERVE_FRAMEBUFFER = 1;
/** Where the mouse is while nobody has one: x, y and buttons. */
const MOUSE_AWAY = [0xff, 0x7f, 0xff, 0x7f, 0];

const NOTHING = result(0);

/** The console of one cart. */
export class Wasm4Console {
  /** @param {Guest} guest */
  constructor(guest) {
    this.guest = guest;
    /** @type {Screen | null} made when the cart's memory is there, whose one page never moves */
    this.attached = null;
  }

  get screen() {
    this.attached ??= new Screen(this.guest.bytes().buffer);
    return this.attached;
  }

  /**
   * What a cart imports from `env`. A signature that differs from the console's is met as JavaScript does:
   * missing parameters are 0, surplus ones are passed over, a missing result is 0.
   * @returns {Record<string, HostFunction>}
   */
  imports() {
    return { ...this.#shapes(), ...this.#texts(), ...this.#others() };
  }

  /** @returns {Record<string, HostFunction>} */
  #shapes() {
    return {
      blit: (a, b, c, d, e, f) => {
        const width = int(d);
        drawBlit(this.screen, int(a) >>> 0, int(b), int(c), width, int(e), 0, 0, width, int(f));
        return NOTHING;
      },
      blitSub: (a, b, c, d, e, f, g, h, i) => {
        drawBlit(this.screen, int(a) >>> 0, int(b), int(c), int(d), int(e), int(f), int(g), int(h), int(i));
        return NOTHING;
      },
      line: (a, b, c, d) => (this.screen.line(int(a), int(b), int(c), int(d)), NOTHING),
      hline: (a, b, c) => (this.screen.hline(int(a), int(b), int(c)), NOTHING),
      vline: (a, b, c) => (this.screen.vline(int(a), int(b), int(c)), NOTHING),
      oval: (a, b, c, d) => (drawOval(this.screen, int(a), int(b), int(c), int(d)), NOTHING),
      rect: (a, b, c, d) => (this.screen.rect(int(a), int(b), int(c), int(d)), NOTHING),
    };
  }

  /** @returns {Record<string, HostFunction>} */
  #texts() {
    return {
      text: (a, b, c) => (drawText(this.screen, int(a) >>> 0, int(b), int(c)), NOTHING),
      textUtf8: (a, b, c, d) => {
        drawTextUtf8(this.screen, int(a) >>> 0, int(b) >>> 0, int(c), int(d));
        return NOTHING;
      },
      textUtf16: (a, b, c, d) => {
        drawTextUtf16(this.screen, int(a) >>> 0, int(b) >>> 0, int(c), int(d));
        return NOTHING;
      },
      trace: (a) => this.#trace(trace(this.guest.bytes(), int(a) >>> 0)),
      traceUtf8: (a, b) => this.#trace(traceUtf8(this.guest.bytes(), int(a) >>> 0, int(b) >>> 0)),
      traceUtf16: (a, b) => this.#trace(traceUtf16(this.guest.bytes(), int(a) >>> 0, int(b) >>> 0)),
      tracef: (a, b) => this.#trace(tracef(this.guest.bytes(), int(a) >>> 0, int(b) >>> 0)),
    };
  }

  /** @returns {Record<string, HostFunction>} */
  #others() {
    return {
      tone: (a, b, c, d) => {
        const parts = Int32Array.of(int(a), int(b), int(c), int(d));
        this.guest.markIfRoom(MARK_TONE, new Uint8Array(parts.buffer));
        return NOTHING;
      },
      diskr: (a, b) => result(this.#readDisk(int(a) >>> 0, int(b) >>> 0)),
      diskw: (a, b) => result(this.#writeDisk(int(a) >>> 0, int(b) >>> 0)),
    };
  }

  /** @param {Uint8Array} text */
  #trace(text) {
    this.guest.markIfRoom(MARK_TRACE, text);
    return NOTHING;
  }

  /**
   * @param {number} address
   * @param {number} size
   */
  #readDisk(address, size) {
    const { disk } = this.guest;
    const length = Math.min(disk.length, size);
    checkRange(address, length);
    this.guest.bytes().set(disk.subarray(0, length), address);
    return length;
  }

  /**
   * @param {number} address
   * @param {number} size
   */
  #writeDisk(address, size) {
    const length = Math.min(DISK_BYTES_MAX, size);
    checkRange(address, length);
    this.guest.disk = this.guest.bytes().slice(address, address + length);
    return length;
  }

  /**
   * What happens before `update`: pads and mouse are written, the screen is cleared unless the cart keeps it.
   * @param {Inputs} inputs
   */
  beginTick(inputs) {
    const memory = this.guest.bytes();
    const columns = inputs.schema.columns.length;
    for (let participant = 0; participant < PARTICIPANTS; participant += 1) {
      // An absent participant's values are zero.
      memory[PADS + participant] = inputs.values[participant * columns];
    }
    memory.set(MOUSE_AWAY, MOUSE);
    if (inputs.isPresent(0)) {
      const [, x, y, buttons] = inputs.values;
      memory.set([x, x >> 8, y, y >> 8, buttons], MOUSE);
    }
    if ((memory[SYSTEM_FLAGS] & PRESERVE_FRAMEBUFFER) === 0) this.screen.clear();
  }

  /** The screen through the palette. */
  picture() {
    const memory = this.guest.bytes();
    const rgba = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
    const pixels = new Int32Array(rgba.buffer);
    const colours = Int32Array.from([0, 4, 8, 12], (at) => {
      const [blue, green, red] = memory.subarray(PALETTE + at);
      return (0xff << 24) | (blue << 16) | (green << 8) | red;
    });
    let pixel = 0;
    for (let at = FRAME; at < FRAME_END; at += 1) {
      const byte = memory[at];
      pixels[pixel] = colours[byte & 3];
      pixels[pixel + 1] = colours[(byte >> 2) & 3];
      pixels[pixel + 2] = colours[(byte >> 4) & 3];
      pixels[pixel + 3] = colours[byte >> 6];
      pixel += 4;
    }
    return { width: WIDTH, height: HEIGHT, rgba };
  }
}

