// Text.

import { FIRST, INK } from './font.js';
import { SimulationFailure } from '../failure.js';
import { HEIGHT, MEMORY_BYTES, ROW_WORDS, WIDTH, checkRange, opaque } from './screen.js';

/** @typedef {import('./screen.js').Screen} Screen */

const GLYPH = 8;
const NEWLINE = 0x0a;

/**
 * Draws the text from `text` up to a zero byte or the end of memory, a character a byte.
 * @param {Screen} screen
 * @param {number} text
 * @param {number} x
 * @param {number} y
 */
export function drawText(screen, text, x, y) {
  checkRange(text, 0);
  drawUnits(screen, text, MEMORY_BYTES, 1, x, y);
}

/**
 * Draws `bytes` bytes of text, a character a byte, or fewer if there is a zero byte.
 * @param {Screen} screen
 * @param {number} text
 * @param {number} bytes
 * @param {number} x
 * @param {number} y
 */
export function drawTextUtf8(screen, text, bytes, x, y) {
  checkRange(text, bytes);
  drawUnits(screen, text, text + bytes, 1, x, y);
}

/**
 * Draws `bytes` bytes of text, a character every two bytes, or fewer if there is a zero. An odd address is out of
 * bounds, as a 16-bit view cannot start there; an odd last byte is left out.
 * @param {Screen} screen
 * @param {number} text
 * @param {number} bytes
 * @param {number} x
 * @param {number} y
 */
export function drawTextUtf16(screen, text, bytes, x, y) {
  const even = bytes - (bytes % 2);
  checkRange(text, even);
  if (text % 2 !== 0) throw SimulationFailure.trap('memory out of bounds');
  drawUnits(screen, text, text + even, 2, x, y);
}

/**
 * Draws characters of `size` bytes one after another, until a zero or the end. Each is read after the one before
 * was drawn: text may lie in the framebuffer. Reading stops at the bottom of the screen, beyond which no
 * character can be seen.
 * @param {Screen} screen
 * @param {number} start
 * @param {number} end
 * @param {number} size
 * @param {number} x
 * @param {number} y
 */
function drawUnits(screen, start, end, size, x, y) {
  const { memory } = screen;
  const colours = screen.drawColours();
  let left = x;
  let top = y;
  for (let at = start; at < end; at += size) {
    const code = size === 1 ? memory[at] : memory[at] | (memory[at + 1] << 8);
    if (code === 0) return;
    if (code === NEWLINE) {
      left = x;
      top += GLYPH;
      continue;
    }
    if (top >= HEIGHT) return;
    const hidden = left <= -GLYPH || left >= WIDTH || top <= -GLYPH;
    if (!hidden && code >= FIRST && code < 0x100) drawGlyph(screen, code, left | 0, top | 0, colours);
    left += GLYPH;
  }
}

/**
 * Draws a glyph of which at least a pixel is on the screen.
 * @param {Screen} screen
 * @param {number} code
 * @param {number} x
 * @param {number} y
 * @param {number} colours
 */
function drawGlyph({ words }, code, x, y, colours) {
  const inkMask = (colours & 0xf) === 0 ? 0 : 0xffff;
  const paperMask = ((colours >> 4) & 0xf) === 0 ? 0 : 0xffff;
  const inkPaint = opaque(colours);
  const paperPaint = opaque(colours >> 4);
  // A glyph lies in one word or across two. Left of the screen that is word -1 and right of it the word after
  // the last, which are left out.
  const word = x >> 4;
  const shift = 2 * (x & 15);
  const hasLow = word >= 0;
  const hasHigh = shift > 16 && word + 1 < ROW_WORDS;
  const from = y < 0 ? -y : 0;
  const to = y > HEIGHT - GLYPH ? HEIGHT - y : GLYPH;
  for (let row = from; row < to; row += 1) {
    const ink = INK[(code - FIRST) * GLYPH + row];
    const mask = (inkMask & ink) | (paperMask & ~ink);
    const paint = ((inkPaint & ink) | (paperPaint & ~ink)) & mask;
    const at = (y + row) * ROW_WORDS + word;
    if (hasLow) words[at] = (words[at] & ~(mask << shift)) | (paint << shift);
    if (hasHigh) {
      words[at + 1] = (words[at + 1] & ~(mask >>> (32 - shift))) | (paint >>> (32 - shift));
    }
  }
}
