// CRC-32C (Castagnoli), by which records of a replay file are checked.

const POLYNOMIAL = 0x82f63b78;
const SLICES = 4;

/** For each of four bytes in a row, what it adds to the checksum. */
const TABLE = new Int32Array(SLICES * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ ((sum & 1) === 1 ? POLYNOMIAL : 0);
  TABLE[byte] = sum;
}
for (let at = 256; at < TABLE.length; at += 1) {
  TABLE[at] = (TABLE[at - 256] >>> 8) ^ TABLE[TABLE[at - 256] & 0xff];
}

/** @param {Uint8Array} bytes */
export function crc32c(bytes) {
  let sum = -1;
  let at = 0;
  for (; at + SLICES <= bytes.length; at += SLICES) {
    sum ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    sum = TABLE[768 + (sum & 0xff)] ^ TABLE[512 + ((sum >>> 8) & 0xff)]
      ^ TABLE[256 + ((sum >>> 16) & 0xff)] ^ TABLE[sum >>> 24];
  }
  for (; at < bytes.length; at += 1) sum = (sum >>> 8) ^ TABLE[(sum ^ bytes[at]) & 0xff];
  return (sum ^ -1) >>> 0;
}
