// A running module: the rewritten one that the server runs too (docs/spec/rewrite.md), with the same states, hashes
// and marks.
//
// Fuel is the one limit that is not here: a guest that never returns is ended by ending the worker it runs in.

import { blake3 } from './blake3.js';
import { RestoreError, SimulationFailure, failureOf } from './failure.js';
import { DISK_BYTES_MAX, Guest, int, result } from './guest.js';
import { Schema } from './inputs.js';
import { Wasm4Console } from './wasm4/console.js';

export { RestoreError, SimulationFailure, TRAP_CLASSES } from './failure.js';

/**
 * @typedef {import('./guest.js').Mark} Mark
 * @typedef {import('./inputs.js').Inputs} Inputs
 * @typedef {import('./inputs.js').ColumnJson} ColumnJson
 * @typedef {{ width: number, height: number, rgba: Uint8ClampedArray }} Picture
 * @typedef {{ memory_pages: number, stack_bytes: number }} Limits
 *
 * The JSON of a session, as far as it is needed here; docs/spec/service.md.
 * @typedef {object} SessionJson
 * @property {{ console: string, limits: Limits }} simulation
 * @property {string} seed
 * @property {string} config in base64
 * @property {string} disk in base64
 * @property {number} participants
 * @property {ColumnJson[]} columns
 * @property {{ width: number, height: number, format: string } | null} [picture]
 * @property {boolean} [bot] whether the game gives input suggestions; unknown, it is asked for them
 */

const PAGE_BYTES = 65_536;
const STATE_VERSION = 1;
const HEAD_BYTES = 8;
const VIEW_PICTURE = 0;
const VIEW_SUGGESTION = 1;
const STACK = 'reenact!stack';
/** What is called before tick 0, where it is there. */
const BEGINNINGS = {
  reenact1: ['reenact!start', '_initialize'],
  wasm4: ['reenact!start', '_start', '_initialize', 'start'],
};

/**
 * A simulation at tick 0 of a session.
 * @param {{ wasm: WebAssembly.Module, session: SessionJson }} from the rewritten module, and what it is of
 * @throws {SimulationFailure} initialisation fails
 */
export async function createSimulation({ wasm, session }) {
  const simulation = new Simulation(wasm, session);
  simulation.begin();
  return simulation;
}

/** The mutable globals of the original module, of which floats are carried as bits. */
class Globals {
  /** @param {Record<string, any>} exports */
  constructor(exports) {
    /** @type {{ wide: boolean, get: () => number | bigint, set: (bits: any) => void }[]} */
    this.all = [];
    for (let n = 0; exports[`reenact!g${n}`] !== undefined; n += 1) {
      const global = exports[`reenact!g${n}`];
      const [read, write] = [exports[`reenact!get${n}`], exports[`reenact!set${n}`]];
      const get = read ?? (() => global.value);
      const set = write ?? ((/** @type {any} */ bits) => { global.value = bits; });
      this.all.push({ wide: typeof get() === 'bigint', get, set });
    }
  }

  /** Bytes of all of them in a state, their count included. */
  get bytes() {
    return 4 + 8 * this.all.length;
  }

  /**
   * Writes their count and their bits.
   * @param {DataView} view
   * @param {number} at
   */
  write(view, at) {
    view.setUint32(at, this.all.length, true);
    let slot = at + 4;
    for (const { wide, get } of this.all) {
      const bits = get();
      if (wide) view.setBigUint64(slot, BigInt.asUintN(64, /** @type {bigint} */ (bits)), true);
      else view.setUint32(slot, /** @type {number} */ (bits) >>> 0, true);
      slot += 8;
    }
  }

  /**
   * Takes over the bits that were written at `at`, after the count.
   * @param {DataView} view
   * @param {number} at
   */
  read(view, at) {
    let slot = at;
    for (const { wide, set } of this.all) {
      if (wide) {
        set(view.getBigInt64(slot, true));
      } else {
        if (view.getUint32(slot + 4, true) !== 0) {
          throw new RestoreError('bits of a global', view.getBigUint64(slot, true), 2 ** 32 - 1);
        }
        set(view.getInt32(slot, true));
      }
      slot += 8;
    }
  }
}

/** A module at some tick. After a failed step its state is undefined until it is restored. */
export class Simulation {
  #module;
  #session;
  #guest;
  /** @type {Wasm4Console | null} */
  #console = null;
  /** @type {Record<string, any>} */
  #exports = {};
  #globals = new Globals({});
  #pagesMin = 0;
  #frame;
  /** Room for the state while a view is drawn. */
  #fork = new Uint8Array(0);

  /**
   * Use `createSimulation`, which also runs what comes before tick 0.
   * @param {WebAssembly.Module} module
   * @param {SessionJson} session
   */
  constructor(module, session) {
    this.#module = module;
    this.#session = session;
    /** Participants and their input columns. */
    this.schema = new Schema(session);
    this.isCart = session.simulation.console === 'wasm4';
    this.#frame = new Uint8Array(this.schema.frameBytes);
    this.#guest = new Guest(fromBase64(session.disk));
    this.#instantiate();
  }

  /** Makes a fresh instance; nothing of the guest has run but its data segments. */
  #instantiate() {
    const guest = this.#guest;
    guest.memory = null;
    this.#console = this.isCart ? new Wasm4Console(guest) : null;
    /** @type {WebAssembly.Imports} */
    const imports = this.#console ? { env: this.#console.imports() } : { reenact1: reenact1Imports(guest) };
    try {
      this.#exports = new WebAssembly.Instance(this.#module, imports).exports;
    } catch (error) {
      throw failureOf(error, { exhausted: false, stackBytes: this.#stackBytes });
    }
    guest.memory = this.#exports['reenact!memory'];
    this.#globals = new Globals(this.#exports);
    this.#pagesMin = this.#pages;
  }

  /** Runs what comes before tick 0. */
  begin() {
    for (const name of this.isCart ? BEGINNINGS.wasm4 : BEGINNINGS.reenact1) {
      if (typeof this.#exports[name] === 'function') this.#call(name);
    }
    if (!this.isCart) this.#init();
    this.#guest.beginTick();
  }

  #init() {
    const config = fromBase64(this.#session.config);
    const address = this.#handOver(config);
    const seed = BigInt.asIntN(64, BigInt(this.#session.seed));
    const code = this.#call('reenact1_init', seed, address, config.length);
    if (code !== 0) throw SimulationFailure.game(code);
  }

  /**
   * Runs exactly one tick: `inputs` are those of `tick`, the state becomes that at `tick + 1`.
   * @param {number} tick
   * @param {Inputs} inputs
   * @returns {{ over: boolean, marks: Mark[] }}
   * @throws {SimulationFailure} the tick is not committed
   */
  step(tick, inputs) {
    this.#guest.beginTick();
    const over = this.#console === null ? this.#stepGame(tick, inputs) : this.#stepCart(this.#console, inputs);
    return { over, marks: this.#guest.marks };
  }

  /**
   * @param {Wasm4Console} console
   * @param {Inputs} inputs
   */
  #stepCart(console, inputs) {
    console.beginTick(inputs);
    this.#call('update');
    return false;
  }

  /**
   * @param {number} tick
   * @param {Inputs} inputs
   */
  #stepGame(tick, inputs) {
    this.#handOver(inputs.writeFrame(tick, this.#frame));
    const code = this.#call('reenact1_step', this.#frame.length);
    if (code !== 0 && code !== 1) throw SimulationFailure.game(code);
    return code === 1;
  }

  /** What the guest logged in the last tick. */
  get logs() {
    return this.#guest.logs;
  }

  /** The whole state in its canonical encoding, docs/spec/state.md. */
  save() {
    const memory = this.#guest.bytes();
    const state = new Uint8Array(this.stateBytes);
    state.set(this.#head(), 0);
    state.set(memory, HEAD_BYTES);
    state.set(this.#tail(), HEAD_BYTES + memory.length);
    return state;
  }

  /** How many bytes `save` gives. */
  get stateBytes() {
    return HEAD_BYTES + this.#guest.bytes().length + this.#globals.bytes + 4 + this.#guest.disk.length;
  }

  /** The BLAKE3 hash of what `save` gives, in hex. */
  hash() {
    return blake3(this.#head(), this.#guest.bytes(), this.#tail());
  }

  #head() {
    const head = new DataView(new ArrayBuffer(HEAD_BYTES));
    head.setUint32(0, STATE_VERSION, true);
    head.setUint32(4, this.#pages, true);
    return new Uint8Array(head.buffer);
  }

  /** Everything of the state that stands after the memory. */
  #tail() {
    const { disk } = this.#guest;
    const tail = new Uint8Array(this.#globals.bytes + 4 + disk.length);
    const view = new DataView(tail.buffer);
    this.#globals.write(view, 0);
    view.setUint32(this.#globals.bytes, disk.length, true);
    tail.set(disk, this.#globals.bytes + 4);
    return tail;
  }

  /**
   * Takes over a state that `save` gave, of this or an equal simulation.
   * @param {Uint8Array} state
   * @throws {RestoreError} the state is undefined until another restore succeeds
   */
  restore(state) {
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    const { pages, globalsAt, disk } = this.#parse(view);
    this.#resize(pages);
    this.#guest.bytes().set(state.subarray(HEAD_BYTES, HEAD_BYTES + pages * PAGE_BYTES));
    this.#globals.read(view, globalsAt);
    this.#exports[STACK].value = 0;
    this.#guest.disk = state.slice(disk);
  }

  /**
   * Takes a state apart, before anything of it is believed.
   * @param {DataView} view
   */
  #parse(view) {
    const length = view.byteLength;
    need(length, HEAD_BYTES);
    check('state version', view.getUint32(0, true), STATE_VERSION);
    const pages = view.getUint32(4, true);
    const pagesMax = this.isCart ? 1 : this.#session.simulation.limits.memory_pages;
    if (pages < this.#pagesMin || pages > pagesMax) throw new RestoreError('pages of memory', pages, pagesMax);
    const globalsAt = HEAD_BYTES + pages * PAGE_BYTES + 4;
    need(length, globalsAt);
    check('count of mutable globals', view.getUint32(globalsAt - 4, true), this.#globals.all.length);
    const disk = globalsAt + this.#globals.bytes;
    need(length, disk);
    const diskBytes = view.getUint32(disk - 4, true);
    if (diskBytes > DISK_BYTES_MAX) throw new RestoreError('bytes of disk', diskBytes, DISK_BYTES_MAX);
    check('bytes of a state', length, disk + diskBytes);
    return { pages, globalsAt, disk };
  }

  /**
   * Makes memory as large as `pages`. Memory never shrinks, so a smaller one takes a new instance.
   * @param {number} pages
   */
  #resize(pages) {
    if (pages < this.#pages) this.#instantiate();
    if (pages === this.#pages) return;
    const before = this.#pages;
    try {
      this.#exports['reenact!memory'].grow(pages - before);
    } catch {
      throw new RestoreError('pages of memory', pages, before);
    }
  }

  get #pages() {
    return this.#guest.bytes().length / PAGE_BYTES;
  }

  /**
   * A picture of the state as a participant sees it, or -1, a spectator; null if the simulation draws none. The
   * state does not change.
   * @param {number} [viewer]
   * @returns {Picture | null}
   * @throws {SimulationFailure} drawing failed
   */
  view(viewer = -1) {
    if (this.#console !== null) return this.#console.picture();
    const { picture } = this.#session;
    if (!picture) return null;
    return this.#onFork(viewer, VIEW_PICTURE, (bytes) => decodePicture(bytes, picture));
  }

  /**
   * What a bot would do now as `participant`, one value an input column; null if the game has no bots. The state
   * does not change.
   * @param {number} participant
   * @throws {SimulationFailure} the game failed
   */
  suggest(participant) {
    if (this.#console !== null || this.#session.bot === false) return null;
    return this.#onFork(participant, VIEW_SUGGESTION, (bytes) => this.schema.rowFromBytes(bytes));
  }

  /**
   * Runs a view on a copy of the state: whatever it changes is undone. `decode` gets bytes of the guest's memory.
   * @template T
   * @param {number} viewer
   * @param {number} kind
   * @param {(bytes: Uint8Array) => T | null} decode
   * @returns {T | null}
   */
  #onFork(viewer, kind, decode) {
    if (typeof this.#exports.reenact1_view !== 'function') return null;
    const bytes = this.#keepFork();
    this.#guest.beginTick();
    try {
      const place = BigInt.asUintN(64, this.#call('reenact1_view', viewer, kind));
      if (place === 0n) return null;
      return decode(this.#guest.slice(Number(place >> 32n), Number(place & 0xffffffffn)));
    } finally {
      this.#dropFork(bytes);
      this.#guest.beginTick();
    }
  }

  /** Copies memory and globals aside, into room that is kept from view to view; gives how many bytes they are. */
  #keepFork() {
    const memory = this.#guest.bytes();
    const bytes = memory.length + this.#globals.bytes;
    if (this.#fork.length < bytes) this.#fork = new Uint8Array(bytes);
    this.#fork.set(memory);
    this.#globals.write(new DataView(this.#fork.buffer), memory.length);
    return bytes;
  }

  /** @param {number} bytes */
  #dropFork(bytes) {
    const length = bytes - this.#globals.bytes;
    this.#resize(length / PAGE_BYTES);
    this.#guest.bytes().set(this.#fork.subarray(0, length));
    this.#globals.read(new DataView(this.#fork.buffer), length + 4);
    this.#exports[STACK].value = 0;
  }

  /**
   * Puts bytes where the guest wants them; gives the address.
   * @param {Uint8Array} bytes
   */
  #handOver(bytes) {
    const address = this.#call('reenact1_input', bytes.length);
    this.#guest.slice(address, bytes.length).set(bytes);
    return address;
  }

  /**
   * Calls an exported function; missing arguments are zero.
   * @param {string} name
   * @param {...(number | bigint)} args
   * @returns {any}
   */
  #call(name, ...args) {
    const target = this.#exports[name];
    try {
      if (target.length <= args.length) return target(...args);
      // Of text engines make a zero of any type, and of what is missing a NaN or an error.
      return target(...args, ...new Array(target.length - args.length).fill(result(0)));
    } catch (error) {
      const stackBytes = this.#stackBytes;
      throw failureOf(error, { exhausted: this.#exports[STACK].value >>> 0 > stackBytes, stackBytes });
    }
  }

  get #stackBytes() {
    return this.#session.simulation.limits.stack_bytes;
  }
}

/**
 * What a game imports from `reenact1`.
 * @param {Guest} guest
 */
function reenact1Imports(guest) {
  return {
    /** @type {(kind: number, address: number, bytes: number) => void} */
    mark: (kind, address, bytes) => guest.mark(int(kind), guest.slice(int(address), int(bytes))),
    /** @type {(level: number, address: number, bytes: number) => void} */
    log: (level, address, bytes) => guest.log(int(level), guest.slice(int(address), int(bytes))),
  };
}

/**
 * The picture in the bytes of a view; null if they are none of the declared size and format.
 * @param {Uint8Array} bytes
 * @param {{ width: number, height: number, format: string }} declared
 * @returns {Picture | null}
 */
function decodePicture(bytes, { width, height, format }) {
  const size = bytes.length >= 4 ? [bytes[0] | (bytes[1] << 8), bytes[2] | (bytes[3] << 8)] : [0, 0];
  if (size[0] !== width || size[1] !== height) return null;
  const pixels = bytes.subarray(4);
  const count = width * height;
  if (format === 'rgba8' && pixels.length === count * 4) {
    return { width, height, rgba: new Uint8ClampedArray(pixels) };
  }
  if (format !== 'rgb332' || pixels.length !== count) return null;
  const rgba = new Uint8ClampedArray(count * 4);
  const words = new Int32Array(rgba.buffer);
  for (let n = 0; n < count; n += 1) words[n] = RGB332[pixels[n]];
  return { width, height, rgba };
}

/** Red in the top three bits, then three of green and two of blue, each stretched over 0 to 255. */
const RGB332 = Int32Array.from({ length: 256 }, (_, pixel) => {
  const red = Math.floor(((pixel >> 5) * 255) / 7);
  const green = Math.floor((((pixel >> 2) & 7) * 255) / 7);
  const blue = (pixel & 3) * 85;
  return (0xff << 24) | (blue << 16) | (green << 8) | red;
});

/**
 * @param {number} actual
 * @param {number} needed
 */
function need(actual, needed) {
  if (actual < needed) throw new RestoreError('bytes of a state', actual, needed);
}

/**
 * @param {string} what
 * @param {number} actual
 * @param {number} expected
 */
function check(what, actual, expected) {
  if (actual !== expected) throw new RestoreError(what, actual, expected);
}

/** @param {string} text */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
