// BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), the plain hash of 32 bytes.
//
// State hashes are taken of 64 KiB and more while a replay plays, so blocks are read as words where they lie,
// and nothing is allocated for one. Words are read in the machine's own order, which must be little-endian, as
// it is wherever WebAssembly runs today.

import { toHex } from './bytes.js';

const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
/** A tree over 2^53 bytes is not deeper. */
const DEPTH_MAX = 54;

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

const IV = Int32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);

/**
 * Compresses one block of 16 words into the chaining value at `cv`, in place. The rounds are a loop that moves
 * the message words, the eight mixings of a round are written out: engines keep the locals in registers.
 *
 * @param {Int32Array} chain
 * @param {number} cv where the chaining value lies in `chain`
 * @param {Int32Array} words
 * @param {number} at where the block lies in `words`
 * @param {number} counter
 * @param {number} bytes
 * @param {number} flags
 */
function compress(chain, cv, words, at, counter, bytes, flags) {
  let m0 = words[at] | 0, m1 = words[at + 1] | 0, m2 = words[at + 2] | 0, m3 = words[at + 3] | 0;
  let m4 = words[at + 4] | 0, m5 = words[at + 5] | 0, m6 = words[at + 6] | 0, m7 = words[at + 7] | 0;
  let m8 = words[at + 8] | 0, m9 = words[at + 9] | 0, m10 = words[at + 10] | 0, m11 = words[at + 11] | 0;
  let m12 = words[at + 12] | 0, m13 = words[at + 13] | 0, m14 = words[at + 14] | 0, m15 = words[at + 15] | 0;
  let a0 = chain[cv] | 0, a1 = chain[cv + 1] | 0, a2 = chain[cv + 2] | 0, a3 = chain[cv + 3] | 0;
  let b0 = chain[cv + 4] | 0, b1 = chain[cv + 5] | 0, b2 = chain[cv + 6] | 0, b3 = chain[cv + 7] | 0;
  let c0 = 0x6a09e667, c1 = 0xbb67ae85 | 0, c2 = 0x3c6ef372, c3 = 0xa54ff53a | 0;
  let d0 = counter | 0, d1 = (counter / 4294967296) | 0, d2 = bytes | 0, d3 = flags | 0;
  for (let round = 0; ; round += 1) {
    a0 = (a0 + b0 + m0) | 0; d0 ^= a0; d0 = (d0 >>> 16) | (d0 << 16);
    c0 = (c0 + d0) | 0; b0 ^= c0; b0 = (b0 >>> 12) | (b0 << 20);
    a0 = (a0 + b0 + m1) | 0; d0 ^= a0; d0 = (d0 >>> 8) | (d0 << 24);
    c0 = (c0 + d0) | 0; b0 ^= c0; b0 = (b0 >>> 7) | (b0 << 25);
    a1 = (a1 + b1 + m2) | 0; d1 ^= a1; d1 = (d1 >>> 16) | (d1 << 16);
    c1 = (c1 + d1) | 0; b1 ^= c1; b1 = (b1 >>> 12) | (b1 << 20);
    a1 = (a1 + b1 + m3) | 0; d1 ^= a1; d1 = (d1 >>> 8) | (d1 << 24);
    c1 = (c1 + d1) | 0; b1 ^= c1; b1 = (b1 >>> 7) | (b1 << 25);
    a2 = (a2 + b2 + m4) | 0; d2 ^= a2; d2 = (d2 >>> 16) | (d2 << 16);
    c2 = (c2 + d2) | 0; b2 ^= c2; b2 = (b2 >>> 12) | (b2 << 20);
    a2 = (a2 + b2 + m5) | 0; d2 ^= a2; d2 = (d2 >>> 8) | (d2 << 24);
    c2 = (c2 + d2) | 0; b2 ^= c2; b2 = (b2 >>> 7) | (b2 << 25);
    a3 = (a3 + b3 + m6) | 0; d3 ^= a3; d3 = (d3 >>> 16) | (d3 << 16);
    c3 = (c3 + d3) | 0; b3 ^= c3; b3 = (b3 >>> 12) | (b3 << 20);
    a3 = (a3 + b3 + m7) | 0; d3 ^= a3; d3 = (d3 >>> 8) | (d3 << 24);
    c3 = (c3 + d3) | 0; b3 ^= c3; b3 = (b3 >>> 7) | (b3 << 25);
    a0 = (a0 + b1 + m8) | 0; d3 ^= a0; d3 = (d3 >>> 16) | (d3 << 16);
    c2 = (c2 + d3) | 0; b1 ^= c2; b1 = (b1 >>> 12) | (b1 << 20);
    a0 = (a0 + b1 + m9) | 0; d3 ^= a0; d3 = (d3 >>> 8) | (d3 << 24);
    c2 = (c2 + d3) | 0; b1 ^= c2; b1 = (b1 >>> 7) | (b1 << 25);
    a1 = (a1 + b2 + m10) | 0; d0 ^= a1; d0 = (d0 >>> 16) | (d0 << 16);
    c3 = (c3 + d0) | 0; b2 ^= c3; b2 = (b2 >>> 12) | (b2 << 20);
    a1 = (a1 + b2 + m11) | 0; d0 ^= a1; d0 = (d0 >>> 8) | (d0 << 24);
    c3 = (c3 + d0) | 0; b2 ^= c3; b2 = (b2 >>> 7) | (b2 << 25);
    a2 = (a2 + b3 + m12) | 0; d1 ^= a2; d1 = (d1 >>> 16) | (d1 << 16);
    c0 = (c0 + d1) | 0; b3 ^= c0; b3 = (b3 >>> 12) | (b3 << 20);
    a2 = (a2 + b3 + m13) | 0; d1 ^= a2; d1 = (d1 >>> 8) | (d1 << 24);
    c0 = (c0 + d1) | 0; b3 ^= c0; b3 = (b3 >>> 7) | (b3 << 25);
    a3 = (a3 + b0 + m14) | 0; d2 ^= a3; d2 = (d2 >>> 16) | (d2 << 16);
    c1 = (c1 + d2) | 0; b0 ^= c1; b0 = (b0 >>> 12) | (b0 << 20);
    a3 = (a3 + b0 + m15) | 0; d2 ^= a3; d2 = (d2 >>> 8) | (d2 << 24);
    c1 = (c1 + d2) | 0; b0 ^= c1; b0 = (b0 >>> 7) | (b0 << 25);
    if (round === 6) break;
    // The permutation of the message, along its cycle from word to word.
    let first = m0;
    m0 = m2; m2 = m3; m3 = m10; m10 = m12; m12 = m9; m9 = m11; m11 = m5; m5 = first;
    first = m1;
    m1 = m6; m6 = m4; m4 = m7; m7 = m13; m13 = m14; m14 = m15; m15 = m8; m8 = first;
  }
  chain[cv] = a0 ^ c0;
  chain[cv + 1] = a1 ^ c1;
  chain[cv + 2] = a2 ^ c2;
  chain[cv + 3] = a3 ^ c3;
  chain[cv + 4] = b0 ^ d0;
  chain[cv + 5] = b1 ^ d1;
  chain[cv + 6] = b2 ^ d2;
  chain[cv + 7] = b3 ^ d3;
}

/** A hash under way. */
export class Hasher {
  constructor() {
    /** The chaining value of the chunk under way, then those of finished subtrees, the largest first. */
    this.chain = new Int32Array(8 * (DEPTH_MAX + 2));
    /** The block under way, gathered where parts do not give it in one piece. */
    this.block = new Int32Array(BLOCK_BYTES / 4);
    this.blockBytes = new Uint8Array(this.block.buffer);
    this.parent = new Int32Array(BLOCK_BYTES / 4);
    /** How many finished subtrees there are, and chunks. */
    this.subtrees = 0;
    this.chunks = 0;
    /** Bytes in the block under way, and blocks of the chunk before it. */
    this.filled = 0;
    this.blocks = 0;
    this.chain.set(IV, 0);
  }

  /** Forgets everything. */
  reset() {
    this.subtrees = 0;
    this.chunks = 0;
    this.filled = 0;
    this.blocks = 0;
    this.chain.set(IV, 0);
    return this;
  }

  /**
   * Goes on with the bytes of `part`.
   * @param {Uint8Array} part
   */
  update(part) {
    let at = 0;
    while (at < part.length) {
      if (this.filled === BLOCK_BYTES) this.takeBlock(this.block, 0);
      if (this.filled === 0 && (part.byteOffset + at) % 4 === 0) {
        at = this.takeWhole(part, at);
      }
      const taken = Math.min(BLOCK_BYTES - this.filled, part.length - at);
      this.blockBytes.set(part.subarray(at, at + taken), this.filled);
      this.filled += taken;
      at += taken;
    }
    return this;
  }

  /**
   * Takes the blocks from `at` on where they lie, but not the last bytes: the last block of all is special.
   * @param {Uint8Array} part
   * @param {number} at
   */
  takeWhole(part, at) {
    const count = Math.ceil((part.length - at) / BLOCK_BYTES) - 1;
    if (count <= 0) return at;
    const words = new Int32Array(part.buffer, part.byteOffset + at, (count * BLOCK_BYTES) / 4);
    for (let n = 0; n < count; n += 1) this.takeBlock(words, n * 16);
    return at + count * BLOCK_BYTES;
  }

  /**
   * Takes a whole block, after which more bytes come.
   * @param {Int32Array} words
   * @param {number} at
   */
  takeBlock(words, at) {
    const last = this.blocks === CHUNK_BYTES / BLOCK_BYTES - 1;
    const flags = (this.blocks === 0 ? CHUNK_START : 0) | (last ? CHUNK_END : 0);
    compress(this.chain, 0, words, at, this.chunks, BLOCK_BYTES, flags);
    this.filled = 0;
    this.blocks += 1;
    if (last) this.endChunk();
  }

  /** Merges the finished chunk with the subtrees that are as large. */
  endChunk() {
    this.chunks += 1;
    for (let rest = this.chunks; rest % 2 === 0; rest /= 2) this.mergeUnder(0, 0);
    this.subtrees += 1;
    this.chain.copyWithin(8 * this.subtrees, 0, 8);
    this.chain.set(IV, 0);
    this.blocks = 0;
  }

  /**
   * Makes the chaining value at 0 the parent of the last subtree and itself.
   * @param {number} flags
   * @param {number} counter
   */
  mergeUnder(flags, counter) {
    const left = 8 * this.subtrees;
    this.parent.set(this.chain.subarray(left, left + 8), 0);
    this.parent.set(this.chain.subarray(0, 8), 8);
    this.chain.set(IV, 0);
    compress(this.chain, 0, this.parent, 0, counter, BLOCK_BYTES, PARENT | flags);
    this.subtrees -= 1;
  }

  /** The hash of everything, in hex; afterwards the hasher must be reset. */
  finish() {
    this.blockBytes.fill(0, this.filled);
    const flags = (this.blocks === 0 ? CHUNK_START : 0) | CHUNK_END | (this.subtrees === 0 ? ROOT : 0);
    compress(this.chain, 0, this.block, 0, this.chunks, this.filled, flags);
    while (this.subtrees > 0) this.mergeUnder(this.subtrees === 1 ? ROOT : 0, 0);
    return toHex(new Uint8Array(this.chain.buffer, 0, 32));
  }
}

const shared = new Hasher();

/**
 * The BLAKE3 hash of the concatenated parts, in 64 lowercase hex digits.
 * @param {...Uint8Array} parts
 */
export function blake3(...parts) {
  shared.reset();
  for (const part of parts) shared.update(part);
  return shared.finish();
}
