// What a module as it was handed in says about itself, in its custom section `reenact.schema`.

import { ByteReader } from './bytes.js';
import { DecodeError } from './errors.js';

const HEAD_BYTES = 8;
const CUSTOM = 0;

/**
 * @typedef {{ picture: { width: number, height: number, format: string } | null, bot: boolean,
 *   marks: { kind: number, name: string }[] }} Description
 */

/**
 * The picture, mark kinds and bots that a module declares; none where there is no module.
 * @param {Uint8Array | null} module
 * @param {string} console
 * @returns {Description}
 */
export function describeModule(module, console) {
  if (console === 'wasm4') {
    return { picture: null, bot: false, marks: [{ kind: 1, name: 'tone' }, { kind: 2, name: 'trace' }] };
  }
  /** @type {Description} */
  const description = { picture: null, bot: false, marks: [] };
  const schema = module === null ? null : customSection(module, 'reenact.schema');
  if (schema === null) return description;
  for (const line of new TextDecoder().decode(schema).split(/\r?\n/)) {
    const [keyword, ...words] = line.split(' ');
    if (keyword === 'bot') description.bot = true;
    if (keyword === 'mark') description.marks.push({ kind: Number(words[0]), name: words[1] });
    if (keyword === 'picture') {
      description.picture = { width: Number(words[0]), height: Number(words[1]), format: words[2] };
    }
  }
  return description;
}

/**
 * The bytes of the first custom section of a name; null if there is none, or the module ends before.
 * @param {Uint8Array} module
 * @param {string} wanted
 */
function customSection(module, wanted) {
  const reader = new ByteReader(module, 'module');
  reader.at = HEAD_BYTES;
  try {
    while (reader.left > 0) {
      const id = reader.u8('section');
      const bytes = reader.take(leb(reader), 'section');
      if (id !== CUSTOM) continue;
      const section = new ByteReader(bytes, 'section');
      const name = new TextDecoder().decode(section.take(leb(section), 'name'));
      if (name === wanted) return section.take(section.left, 'section');
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  return null;
}

/**
 * A LEB128 number of 32 bits, which need not be the shortest.
 * @param {ByteReader} reader
 */
function leb(reader) {
  let value = 0;
  for (let n = 0; n < 5; n += 1) {
    const byte = reader.u8('length');
    value += (byte & 0x7f) * 2 ** (7 * n);
    if (byte < 0x80) break;
  }
  return value;
}
