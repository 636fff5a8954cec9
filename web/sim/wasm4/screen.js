// The console's screen: the draw colours and the framebuffer inside the guest's memory, and the shapes drawn
// there.
//
// Coordinates are the guest's signed 32-bit numbers. Sums of them are exact in a double, so that none wraps;
// products are where they stay below 2^53, and beyond that BigInt takes over. Every function is bounded
// whatever its arguments.

import { SimulationFailure } from '../failure.js';

/** Bytes of the guest's linear memory. */
export const MEMORY_BYTES = 0x10000;
export const WIDTH = 160;
export const HEIGHT = 160;
export const FRAME = 0xa0;
export const FRAME_END = FRAME + (WIDTH * HEIGHT) / 4;
/** Pixels in a word, two bits each, the leftmost in the lowest bits. */
export const WORD_PIXELS = 16;
export const ROW_WORDS = WIDTH / WORD_PIXELS;

const DRAW_COLOURS = 0x14;
/** Below this a product is exact, and a sum of it and a few coordinates too. */
const EXACT_MAX = 2 ** 52;

/** The colour that the lowest nibble stands for, also when it is 0, repeated over a word. @param {number} nibbles */
export function opaque(nibbles) {
  return Math.imul((nibbles - 1) & 3, 0x55555555);
}

/**
 * Refuses a range that is not within memory.
 * @param {number} address
 * @param {number} bytes
 */
export function checkRange(address, bytes) {
  if (address + bytes > MEMORY_BYTES) throw SimulationFailure.trap('memory out of bounds');
}

/** The guest's memory, seen as the console's screen. */
export class Screen {
  /** @param {ArrayBuffer} buffer one page */
  constructor(buffer) {
    this.memory = new Uint8Array(buffer);
    /** The framebuffer in words, row by row. */
    this.words = new Int32Array(buffer, FRAME, ROW_WORDS * HEIGHT);
  }

  /** Sets every pixel to colour 0. */
  clear() {
    this.words.fill(0);
  }

  drawColours() {
    return this.memory[DRAW_COLOURS] | (this.memory[DRAW_COLOURS + 1] << 8);
  }

  /**
   * Draws pixels to the right in draw colour 1.
   * @param {number} x
   * @param {number} y
   * @param {number} length
   */
  hline(x, y, length) {
    const colours = this.drawColours();
    if ((colours & 0xf) !== 0) this.paintSpan(opaque(colours), x, x + length, y);
  }

  /**
   * Draws pixels downwards in draw colour 1.
   * @param {number} x
   * @param {number} y
   * @param {number} length
   */
  vline(x, y, length) {
    const colours = this.drawColours();
    if ((colours & 0xf) !== 0) this.paintColumn(opaque(colours), x, y, y + length);
  }

  /**
   * Draws a rectangle, its inside in draw colour 1 and its edge in draw colour 2. With a width of 0 or less
   * only the two vertical edges remain; with such a height, the two horizontal ones.
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  rect(x, y, width, height) {
    const colours = this.drawColours();
    const right = x + width;
    const bottom = y + height;
    if ((colours & 0xf) !== 0) this.paintBox(opaque(colours), x, right, y, bottom);
    if (((colours >> 4) & 0xf) === 0) return;
    const edge = opaque(colours >> 4);
    this.paintColumn(edge, x, y, bottom);
    this.paintColumn(edge, right - 1, y, bottom);
    this.paintSpan(edge, x, right, y);
    this.paintSpan(edge, x, right, bottom - 1);
  }

  /**
   * Draws a line between two points, both included, in draw colour 1. It is cut to the screen by arithmetic,
   * so that its cost depends only on what is seen of it.
   * @param {number} x1
   * @param {number} y1
   * @param {number} x2
   * @param {number} y2
   */
  line(x1, y1, x2, y2) {
    const colours = this.drawColours();
    if ((colours & 0xf) === 0) return;
    const paint = opaque(colours);
    if (y1 === y2) this.paintSpan(paint, Math.min(x1, x2), Math.max(x1, x2) + 1, y1);
    else if (x1 === x2) this.paintColumn(paint, x1, Math.min(y1, y2), Math.max(y1, y2) + 1);
    else if (y1 > y2) this.paintSlope(paint, x2, y2, x1, y1);
    else this.paintSlope(paint, x1, y1, x2, y2);
  }

  /**
   * Draws a line that is neither horizontal nor vertical, from its upper end.
   * @param {number} paint
   * @param {number} x1
   * @param {number} y1
   * @param {number} x2
   * @param {number} y2
   */
  paintSlope(paint, x1, y1, x2, y2) {
    const across = axis(x1, Math.abs(x2 - x1), x1 < x2, WIDTH);
    const down = axis(y1, y2 - y1, true, HEIGHT);
    const acrossStride = x1 < x2 ? 1 : -1;
    const flat = across.steps > down.steps;
    const [major, minor] = flat ? [across, down] : [down, across];
    const [majorStride, minorStride] = flat ? [acrossStride, WIDTH] : [WIDTH, acrossStride];
    const [first, last] = visibleSteps(major, minor);
    if (first > last) return;
    const position = slopePosition(major.steps, minor.steps, first);
    let { slack } = position;
    let pixel = x1 + y1 * WIDTH + first * majorStride + position.minorSteps * minorStride;
    const advance = 2 * minor.steps;
    const turn = 2 * major.steps;
    const { words } = this;
    for (let step = first; step <= last; step += 1) {
      const mask = 3 << ((pixel & 15) * 2);
      words[pixel >> 4] = (words[pixel >> 4] & ~mask) | (paint & mask);
      pixel += majorStride;
      slack -= advance;
      if (slack < 0) {
        slack += turn;
        pixel += minorStride;
      }
    }
  }

  /**
   * Paints the visible part of row `y` from `left` up to but not including `right`.
   * @param {number} paint
   * @param {number} left
   * @param {number} right
   * @param {number} y
   */
  paintSpan(paint, left, right, y) {
    const from = left < 0 ? 0 : left;
    const to = right > WIDTH ? WIDTH : right;
    if (from >= to || y < 0 || y >= HEIGHT) return;
    this.fillRow(paint, from | 0, to | 0, y | 0);
  }

  /**
   * Fills pixels of a row; the range is not empty and lies within it.
   * @param {number} paint
   * @param {number} left
   * @param {number} right
   * @param {number} y
   */
  fillRow(paint, left, right, y) {
    const { words } = this;
    const first = y * ROW_WORDS + (left >> 4);
    const last = y * ROW_WORDS + ((right - 1) >> 4);
    const head = -1 << ((left & 15) * 2);
    const tail = -1 >>> ((15 - ((right - 1) & 15)) * 2);
    if (first === last) {
      const mask = head & tail;
      words[first] = (words[first] & ~mask) | (paint & mask);
      return;
    }
    words[first] = (words[first] & ~head) | (paint & head);
    for (let word = first + 1; word < last; word += 1) words[word] = paint;
    words[last] = (words[last] & ~tail) | (paint & tail);
  }

  /**
   * Paints the visible part of column `x` from `top` up to but not including `bottom`.
   * @param {number} paint
   * @param {number} x
   * @param {number} top
   * @param {number} bottom
   */
  paintColumn(paint, x, top, bottom) {
    const from = top < 0 ? 0 : top;
    const to = bottom > HEIGHT ? HEIGHT : bottom;
    if (from >= to || x < 0 || x >= WIDTH) return;
    const { words } = this;
    const mask = 3 << ((x & 15) * 2);
    const colour = paint & mask;
    const end = to * ROW_WORDS;
    for (let word = from * ROW_WORDS + (x >> 4); word < end; word += ROW_WORDS) {
      words[word] = (words[word] & ~mask) | colour;
    }
  }

  /**
   * @param {number} paint
   * @param {number} left
   * @param {number} right
   * @param {number} top
   * @param {number} bottom
   */
  paintBox(paint, left, right, top, bottom) {
    const [fromX, toX] = [Math.max(left, 0), Math.min(right, WIDTH)];
    const [fromY, toY] = [Math.max(top, 0), Math.min(bottom, HEIGHT)];
    if (fromX >= toX || fromY >= toY) return;
    if (toX - fromX === WIDTH) {
      this.words.fill(paint, fromY * ROW_WORDS, toY * ROW_WORDS);
      return;
    }
    for (let y = fromY; y < toY; y += 1) this.fillRow(paint, fromX, toX, y);
  }
}

/**
 * How a line moves in one direction: its steps from one end to the other, and the first and the last step count
 * at which it is between the screen's two edges, which may lie before its beginning and beyond its end.
 * @typedef {{ steps: number, enters: number, leaves: number }} Axis
 *
 * @param {number} from
 * @param {number} steps
 * @param {boolean} forwards
 * @param {number} size
 * @returns {Axis}
 */
function axis(from, steps, forwards, size) {
  const far = size - 1;
  return forwards ? { steps, enters: -from, leaves: far - from } : { steps, enters: from - far, leaves: from };
}

// A sloping line moves along its major axis at each step and along its minor axis at some of them: after k steps
// it has made m along the minor one, where m is the least whole number not below k * minor / major - 1/2.

/**
 * The first and the last step along the major axis that land on the screen.
 * @param {Axis} major
 * @param {Axis} minor
 * @returns {[number, number]}
 */
function visibleSteps(major, minor) {
  let first = Math.max(major.enters, 0);
  let last = Math.min(major.leaves, major.steps);
  if (minor.enters > 0) first = Math.max(first, lastStepWithin(major, minor, minor.enters - 1) + 1);
  if (minor.leaves < minor.steps) last = Math.min(last, lastStepWithin(major, minor, minor.leaves));
  return [first, last];
}

/**
 * The last step along the major axis with at most `minorSteps` made along the minor one, -1 if there is none.
 * @param {Axis} major
 * @param {Axis} minor
 * @param {number} minorSteps
 */
function lastStepWithin(major, minor, minorSteps) {
  if (minorSteps < 0) return -1;
  const reach = major.steps * (2 * minorSteps + 1);
  const divisor = 2 * minor.steps;
  if (reach < EXACT_MAX) return Math.min((reach - (reach % divisor)) / divisor, major.steps);
  const exact = (BigInt(major.steps) * BigInt(2 * minorSteps + 1)) / BigInt(divisor);
  return Math.min(Number(exact), major.steps);
}

/**
 * Steps made along the minor axis after `step` steps along the major one, and the slack left until the next.
 * @param {number} majorSteps
 * @param {number} minorSteps
 * @param {number} step
 */
function slopePosition(majorSteps, minorSteps, step) {
  if (step === 0) return { minorSteps: 0, slack: majorSteps };
  const turn = 2 * majorSteps;
  const product = 2 * minorSteps * step;
  if (product < EXACT_MAX) {
    const offset = product - majorSteps;
    const rest = offset % turn;
    const made = (offset - rest) / turn + (rest > 0 ? 1 : 0);
    return { minorSteps: made, slack: made * turn - offset };
  }
  const [offset, wide] = [2n * BigInt(minorSteps) * BigInt(step) - BigInt(majorSteps), BigInt(turn)];
  // The product is above every turn, so that the offset is positive.
  const made = (offset + wide - 1n) / wide;
  return { minorSteps: Number(made), slack: Number(made * wide - offset) };
}
