// Sprites.

import { FRAME, FRAME_END, HEIGHT, MEMORY_BYTES, ROW_WORDS, WIDTH, WORD_PIXELS, checkRange, opaque }
  from './screen.js';

/** @typedef {import('./screen.js').Screen} Screen */

const TWO_BITS = 1;
const FLIP_X = 2;
const FLIP_Y = 4;
const ROTATE = 8;

/** Below this a product is exact, and a sum of a few of them too. */
const EXACT_MAX = 2 ** 51;
/** Sprites are read a word at a time, up to five bytes. */
const READ_BYTES = 5;

/** Bits 0 to 7 to bits 14, 12 and so on down to 0: eight pixels of one bit, the first in the lowest bits. */
const SPREAD = new Uint16Array(256);
/** The four pixels of a byte in the opposite order. */
const REVERSED = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  for (let bit = 0; bit < 8; bit += 1) SPREAD[byte] |= ((byte >> bit) & 1) << (14 - 2 * bit);
  REVERSED[byte] = (byte << 6) | ((byte << 2) & 0x30) | ((byte >> 2) & 0x0c) | (byte >> 6);
}

/** The four draw colours, each repeated over a word; mask and colour are 0 if it is transparent. */
const masks = new Int32Array(4);
const paints = new Int32Array(4);

/** @param {number} colours */
function takePens(colours) {
  for (let n = 0; n < 4; n += 1) {
    const nibble = (colours >> (4 * n)) & 0xf;
    masks[n] = nibble === 0 ? 0 : -1;
    paints[n] = nibble === 0 ? 0 : opaque(nibble);
  }
}

/** Where a blit lands on the screen, and where its pixels are in the sprite; one for all, filled by `clip`. */
const samples = {
  /** First visible column and row, and how many of each there are. */
  left: 0,
  top: 0,
  columns: 0,
  rows: 0,
  /** Index in the sprite of the pixel shown there, modulo 2^32, and whether it needs no modulo. */
  start: 0,
  exact: true,
  /** What to add to the index for the next column, and for the next row. */
  stepX: 0,
  stepY: 0,
};

/**
 * Draws a part of a sprite; its colours 0 to 3 stand for draw colours 1 to 4.
 *
 * Pixels taken from outside memory are 0. The sprite's address must be within memory or at its end. A pixel's
 * index in the sprite counts modulo 2^32.
 *
 * @param {Screen} screen
 * @param {number} sprite
 * @param {number} x
 * @param {number} y
 * @param {number} width columns to take of the sprite; with rotation they become rows of the screen
 * @param {number} height
 * @param {number} sourceX first column to take of the sprite
 * @param {number} sourceY
 * @param {number} stride pixels from one row of the sprite to the next
 * @param {number} flags bit 0: two bits a pixel, not one; bits 1 and 2: flip in x and in y; bit 3: rotate
 */
export function drawBlit(screen, sprite, x, y, width, height, sourceX, sourceY, stride, flags) {
  checkRange(sprite, 0);
  if (!clip(x, y, width, height, sourceX, sourceY, stride, flags)) return;
  takePens(screen.drawColours());
  const bits = (flags & TWO_BITS) === 0 ? 1 : 2;
  if (canCopyWords(sprite, bits)) copyWords(screen, sprite, bits);
  else copyPixels(screen, sprite, bits, (flags & ROTATE) !== 0);
}

/**
 * Cuts a blit to the screen; false if nothing of it is visible.
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {number} sourceX
 * @param {number} sourceY
 * @param {number} stride
 * @param {number} flags
 */
function clip(x, y, width, height, sourceX, sourceY, stride, flags) {
  const rotate = (flags & ROTATE) !== 0;
  // Rotation turns counterclockwise by a transposition and a flip.
  const flipX = ((flags & FLIP_X) !== 0) !== rotate;
  const flipY = (flags & FLIP_Y) !== 0;
  const wide = rotate ? height : width;
  const high = rotate ? width : height;
  const left = Math.max(x, 0);
  const top = Math.max(y, 0);
  samples.left = left;
  samples.top = top;
  samples.columns = Math.min(x + wide, WIDTH) - left;
  samples.rows = Math.min(y + high, HEIGHT) - top;
  if (samples.columns <= 0 || samples.rows <= 0) return false;
  const along = flipX ? -1 : 1;
  const across = flipY ? -stride : stride;
  samples.stepX = rotate ? across : along;
  samples.stepY = rotate ? along : across;
  const firstColumn = sourceX + (flipX ? width - 1 : 0);
  const firstRow = sourceY + (flipY ? height - 1 : 0);
  locate(firstColumn, firstRow, stride, left - x, top - y);
  return true;
}

/**
 * Finds the index of the first visible pixel.
 * @param {number} firstColumn
 * @param {number} firstRow
 * @param {number} stride
 * @param {number} skipX
 * @param {number} skipY
 */
function locate(firstColumn, firstRow, stride, skipX, skipY) {
  const down = firstRow * stride;
  const acrossX = skipX * samples.stepX;
  const acrossY = skipY * samples.stepY;
  let start = down + firstColumn + acrossX + acrossY;
  if (Math.max(Math.abs(down), Math.abs(acrossX), Math.abs(acrossY)) > EXACT_MAX) {
    const wide = BigInt(firstRow) * BigInt(stride) + BigInt(firstColumn)
      + BigInt(skipX) * BigInt(samples.stepX) + BigInt(skipY) * BigInt(samples.stepY);
    const wrapped = BigInt.asUintN(32, wide);
    samples.exact = wrapped === wide;
    start = Number(wrapped);
  } else {
    samples.exact = start >= 0 && start < 2 ** 32;
  }
  samples.start = start >>> 0;
}

/**
 * Whether the sprite can be read in words: no index wraps, its columns are neighbours, and its bytes, with those
 * that are read beside them, lie in memory and apart from the framebuffer.
 * @param {number} sprite
 * @param {number} bits
 */
function canCopyWords(sprite, bits) {
  const { start, exact, stepX, stepY, columns, rows } = samples;
  if (!exact || (stepX !== 1 && stepX !== -1)) return false;
  const spanX = stepX * (columns - 1);
  const spanY = stepY * (rows - 1);
  const first = start + Math.min(spanX, 0) + Math.min(spanY, 0);
  const last = start + Math.max(spanX, 0) + Math.max(spanY, 0);
  if (first < 0 || last > 0xffffffff) return false;
  const shift = bits === 1 ? 3 : 2;
  const end = sprite + Math.floor(last / (1 << shift)) + 1;
  if (end + READ_BYTES > MEMORY_BYTES) return false;
  return end <= FRAME || sprite + Math.floor(first / (1 << shift)) >= FRAME_END;
}

/**
 * Copies a word's width at a time, all rows of it.
 * @param {Screen} screen
 * @param {number} sprite
 * @param {number} bits
 */
function copyWords({ memory, words }, sprite, bits) {
  const { left, top, columns, rows, start, stepX, stepY } = samples;
  const m0 = masks[0], m1 = masks[1], m2 = masks[2], m3 = masks[3];
  const p0 = paints[0], p1 = paints[1], p2 = paints[2], p3 = paints[3];
  let done = 0;
  while (done < columns) {
    const indent = (left + done) & 15;
    const taken = Math.min(columns - done, WORD_PIXELS - indent);
    const valid = -1 >>> (32 - 2 * taken);
    const shift = 2 * indent;
    // Where the pixels lie that are read, in ascending order.
    let index = start + done * stepX - (stepX < 0 ? taken - 1 : 0);
    let at = top * ROW_WORDS + ((left + done) >> 4);
    for (let row = 0; row < rows; row += 1) {
      let pixels = bits === 1 ? loadOne(memory, sprite, index) : loadTwo(memory, sprite, index);
      if (stepX < 0) pixels = backwards(pixels) >>> (32 - 2 * taken);
      // Each pixel's two bits choose among four colours: three times a bit is both bits.
      const low = Math.imul(pixels & 0x55555555, 3);
      const high = Math.imul((pixels >>> 1) & 0x55555555, 3);
      const mask = ((((m0 & ~low) | (m1 & low)) & ~high) | (((m2 & ~low) | (m3 & low)) & high)) & valid;
      const paint = (((p0 & ~low) | (p1 & low)) & ~high) | (((p2 & ~low) | (p3 & low)) & high);
      words[at] = (words[at] & ~(mask << shift)) | ((paint & mask) << shift);
      index += stepY;
      at += ROW_WORDS;
    }
    done += taken;
  }
}

/**
 * Sixteen pixels of one bit from `index` on, two bits each, the first in the lowest bits.
 * @param {Uint8Array} memory
 * @param {number} sprite
 * @param {number} index
 */
function loadOne(memory, sprite, index) {
  const at = sprite + (index >>> 3);
  const bytes = (memory[at] << 16) | (memory[at + 1] << 8) | memory[at + 2];
  const shifted = bytes >>> (8 - (index & 7));
  return SPREAD[(shifted >>> 8) & 0xff] | (SPREAD[shifted & 0xff] << 16);
}

/**
 * Sixteen pixels of two bits from `index` on, the first in the lowest bits.
 * @param {Uint8Array} memory
 * @param {number} sprite
 * @param {number} index
 */
function loadTwo(memory, sprite, index) {
  const at = sprite + (index >>> 2);
  const shift = (index & 3) * 2;
  const bytes = (memory[at] << 24) | (memory[at + 1] << 16) | (memory[at + 2] << 8) | memory[at + 3];
  const shifted = (bytes << shift) | ((memory[at + 4] << shift) >>> 8);
  return REVERSED[shifted >>> 24] | (REVERSED[(shifted >>> 16) & 0xff] << 8)
    | (REVERSED[(shifted >>> 8) & 0xff] << 16) | (REVERSED[shifted & 0xff] << 24);
}

/**
 * A word's pixels in the opposite order.
 * @param {number} word
 */
function backwards(word) {
  return (REVERSED[word & 0xff] << 24) | (REVERSED[(word >>> 8) & 0xff] << 16)
    | (REVERSED[(word >>> 16) & 0xff] << 8) | REVERSED[word >>> 24];
}

/**
 * Copies pixel by pixel in the console's order, reading memory as the pixels before have left it: the sprite may
 * lie in the framebuffer.
 * @param {Screen} screen
 * @param {number} sprite
 * @param {number} bits
 * @param {boolean} rotate
 */
function copyPixels({ memory }, sprite, bits, rotate) {
  const { left, top, columns, rows, start, stepX, stepY } = samples;
  const [outer, inner] = rotate ? [columns, rows] : [rows, columns];
  for (let far = 0; far < outer; far += 1) {
    for (let near = 0; near < inner; near += 1) {
      const x = rotate ? far : near;
      const y = rotate ? near : far;
      const index = (start + Math.imul(stepX, x) + Math.imul(stepY, y)) >>> 0;
      const colour = bits === 1 ? pixelOne(memory, sprite, index) : pixelTwo(memory, sprite, index);
      const at = (top + y) * WIDTH + left + x;
      const cell = FRAME + (at >> 2);
      const mask = masks[colour] & (3 << ((at & 3) * 2));
      memory[cell] = (memory[cell] & ~mask) | (paints[colour] & mask);
    }
  }
}

/**
 * @param {Uint8Array} memory
 * @param {number} sprite
 * @param {number} index
 */
function pixelOne(memory, sprite, index) {
  const at = sprite + (index >>> 3);
  return at < MEMORY_BYTES ? (memory[at] >> (7 - (index & 7))) & 1 : 0;
}

/**
 * @param {Uint8Array} memory
 * @param {number} sprite
 * @param {number} index
 */
function pixelTwo(memory, sprite, index) {
  const at = sprite + (index >>> 2);
  return at < MEMORY_BYTES ? (memory[at] >> (6 - 2 * (index & 3))) & 3 : 0;
}
