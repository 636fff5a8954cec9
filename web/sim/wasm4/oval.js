// Ovals.

import { SimulationFailure } from '../failure.js';
import { opaque } from './screen.js';

/** @typedef {import('./screen.js').Screen} Screen */

/** The largest width and height, either sign, of an oval that is drawn. */
export const OVAL_SIZE_MAX = 8192;

/**
 * Draws an oval within the given box, its inside in draw colour 1 and its edge in draw colour 2.
 *
 * Draw colour 2 differs here from all other shapes: 0 is not transparent but stands for colour 4, and 15 draws
 * nothing at all, the inside included. The console has always done so, and carts' pixels depend on it.
 *
 * @param {Screen} screen
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
export function drawOval(screen, x, y, width, height) {
  const colours = screen.drawColours();
  if (((colours >> 4) & 0xf) === 0xf) return;
  if (Math.max(Math.abs(width), Math.abs(height)) > OVAL_SIZE_MAX) {
    throw SimulationFailure.limit("pixels of an oval's width or height", OVAL_SIZE_MAX);
  }
  const filled = (colours & 0xf) !== 0;
  const fill = opaque(colours);
  const edge = opaque(colours >> 4);
  const outline = new Outline(x, y, width, height);
  do {
    const { low, high, left, right } = outline;
    outline.walkBand();
    // The last column of the left edge and the first of the right one, where the band was left.
    const { lastLeft, lastRight } = outline;
    for (let n = 0; n < 2; n += 1) {
      const row = n === 0 ? low : high;
      screen.paintSpan(edge, left, lastLeft + 1, row);
      screen.paintSpan(edge, lastRight, right + 1, row);
      if (filled) screen.paintSpan(fill, lastLeft + 1, lastRight, row);
    }
  } while (outline.left <= outline.right);
  paintCaps(screen, outline, height, edge);
}

/**
 * Finishes a long thin oval, whose sides met before its ends were reached.
 * @param {Screen} screen
 * @param {Outline} outline
 * @param {number} height
 * @param {number} edge
 */
function paintCaps(screen, { low, high, left, right }, height, edge) {
  const rows = Math.floor((height - (low - high) + 1) / 2);
  if (rows <= 0) return;
  for (let n = 0; n < 2; n += 1) {
    const x = n === 0 ? left - 1 : right + 1;
    screen.paintColumn(edge, x, low, low + rows);
    screen.paintColumn(edge, x, high - rows + 1, high + 1);
  }
}

/**
 * A walk around one quarter of an oval, from the ends of its middle row inwards; the other quarters mirror it.
 *
 * Below the size limit every term is exact in a double. A step never stands still, and the walk inwards ends
 * it: the limit bounds the steps, by about half the width plus half the height.
 */
class Outline {
  /**
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  constructor(x, y, width, height) {
    const a = width - 1;
    const b = height - 1;
    // An even height has two middle rows. For an even height of 0 or less this is -1, and the two halves start
    // out crossed.
    const parity = b % 2;
    this.low = y + Math.floor(height / 2);
    this.high = this.low - parity;
    this.left = x;
    this.right = x + a;
    this.lastLeft = x;
    this.lastRight = x + a;
    /** What a step inwards and one outwards add to the error. */
    this.inward = 4 * (1 - a) * b * b;
    this.outward = 4 * (parity + 1) * a * a;
    this.inwardGrowth = 8 * b * b;
    this.outwardGrowth = 8 * a * a;
    /** How far the curve lies from the walk. */
    this.error = this.inward + this.outward + parity * a * a;
  }

  /** Walks until the rows change or the left and the right edge have passed each other. */
  walkBand() {
    let outwards;
    do {
      this.lastLeft = this.left;
      this.lastRight = this.right;
      outwards = this.step();
    } while (!outwards && this.left <= this.right);
  }

  /**
   * Takes one step, outwards to the next pair of rows, inwards to the next pair of columns or both, and tells
   * whether the rows changed.
   */
  step() {
    const doubled = 2 * this.error;
    const outwards = doubled <= this.outward;
    // The second comparison is with the increment as the outward step leaves it.
    if (outwards) {
      this.low += 1;
      this.high -= 1;
      this.outward += this.outwardGrowth;
      this.error += this.outward;
    }
    if (doubled >= this.inward || doubled > this.outward) {
      this.left += 1;
      this.right -= 1;
      this.inward += this.inwardGrowth;
      this.error += this.inward;
    }
    return outwards;
  }
}
