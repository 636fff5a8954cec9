// The LZ4 block format, without frame or length prefix.

const MATCH_BYTES_MIN = 4;

/**
 * Decompresses one block; null unless it is exactly `size` bytes. The caller holds `size` to what it may be.
 * @param {Uint8Array} block
 * @param {number} size
 */
export function decompress(block, size) {
  const out = new Uint8Array(size);
  const cursor = { at: 0 };
  let end = 0;
  for (;;) {
    if (cursor.at >= block.length) return null;
    const token = block[cursor.at];
    cursor.at += 1;
    const literals = readLength(block, cursor, token >> 4);
    if (literals > block.length - cursor.at || literals > size - end) return null;
    out.set(block.subarray(cursor.at, cursor.at + literals), end);
    cursor.at += literals;
    end += literals;
    // The last sequence is literals only.
    if (cursor.at === block.length) return end === size ? out : null;
    if (cursor.at + 2 > block.length) return null;
    const distance = block[cursor.at] | (block[cursor.at + 1] << 8);
    cursor.at += 2;
    const count = readLength(block, cursor, token & 0xf) + MATCH_BYTES_MIN;
    if (distance === 0 || distance > end || count > size - end) return null;
    repeat(out, end, distance, count);
    end += count;
  }
}

/**
 * @param {Uint8Array} block
 * @param {{ at: number }} cursor
 * @param {number} nibble
 */
function readLength(block, cursor, nibble) {
  let length = nibble;
  if (nibble !== 15) return length;
  for (;;) {
    // Past the end there is 0, which ends the length; what it is for is then cut off.
    const byte = block[cursor.at] ?? 0;
    cursor.at += 1;
    length += byte;
    if (byte !== 255) return length;
  }
}

/**
 * Copies what stands `distance` bytes before `end`, which may overlap what is written.
 * @param {Uint8Array} out
 * @param {number} end
 * @param {number} distance
 * @param {number} count
 */
function repeat(out, end, distance, count) {
  if (distance >= count) {
    out.copyWithin(end, end - distance, end - distance + count);
  } else if (distance === 1) {
    out.fill(out[end - 1], end, end + count);
  } else {
    for (let n = 0; n < count; n += 1) out[end + n] = out[end + n - distance];
  }
}
