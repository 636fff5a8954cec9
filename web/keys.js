import { buttonsOf } from './pads.js';

/**
 * From keys to inputs.
 *
 * @typedef {import('./types.js').Column} Column
 * @typedef {{columns: Column[], participants: number, console: string}} Played
 * @typedef {{name: string, column: number, value: number, keys: string[]}} Binding what a key adds to a column
 * @typedef {object} Layout
 * @property {number} participant
 * @property {Binding[]} bindings
 * @property {{x: number, y: number, buttons: number} | null} pointer columns that the pointer drives, -1 for none
 */

/** @typedef {'solo' | 'first' | 'second'} Seat who sits at the keyboard: one, or the first or second of two */

/** @type {Record<string, string[]>} */
const ARROWS = { UP: ['ArrowUp'], DOWN: ['ArrowDown'], LEFT: ['ArrowLeft'], RIGHT: ['ArrowRight'] };
/** @type {Record<string, string[]>} */
const WASD = { UP: ['KeyW'], DOWN: ['KeyS'], LEFT: ['KeyA'], RIGHT: ['KeyD'] };
/** @type {Record<string, string[]>} */
const ESDF = { UP: ['KeyE'], DOWN: ['KeyD'], LEFT: ['KeyS'], RIGHT: ['KeyF'] };

/** @type {Record<Seat, {directions: Record<string, string[]>[], actions: string[][]}>} */
const SEATS = {
  solo: {
    directions: [ARROWS, WASD],
    actions: [
      ['Space', 'KeyX', 'KeyJ', 'Enter'],
      ['KeyZ', 'KeyC', 'KeyK', 'ShiftLeft', 'ShiftRight'],
      ['KeyV', 'KeyL'], ['KeyB', 'KeyI'], ['KeyN'], ['KeyM'], ['KeyQ'], ['KeyE'], ['KeyR'], ['KeyF'], ['KeyG'], ['KeyT'],
    ],
  },
  first: {
    directions: [ARROWS],
    actions: [['Enter', 'Period'], ['ShiftRight', 'Slash'], ['Comma'], ['KeyM'], ['KeyL'], ['KeyK'], ['KeyO'], ['KeyI']],
  },
  second: {
    directions: [WASD],
    actions: [['Space'], ['KeyF', 'ShiftLeft'], ['KeyG'], ['KeyR'], ['KeyT'], ['KeyE'], ['KeyQ'], ['KeyC']],
  },
};

/** The console's own keys, but for Tab, with which a page is walked through. */
const WASM4_FIRST = { directions: [ARROWS], actions: [['KeyX', 'KeyV', 'Space', 'Period'], ['KeyZ', 'KeyC', 'Comma', 'Slash']] };
const WASM4_SECOND = { directions: [ESDF], actions: [['KeyA', 'KeyQ'], ['ShiftLeft']] };

/** Where the console's pointer is before there has been one. */
const WASM4_AWAY = { x: 0x7fff, y: 0x7fff };

/** @param {Played} played @param {number} players at this keyboard @returns {Layout[]} */
export function layoutsFor(played, players) {
  const first = layout(played, 0, players > 1 ? 'first' : 'solo');
  return players > 1 ? [first, layout(played, 1, 'second')] : [first];
}

/** @param {Played} played @param {number} participant @param {Seat} seat @returns {Layout} */
function layout(played, participant, seat) {
  const { columns } = played;
  const own = played.console === 'wasm4' ? (seat === 'second' ? WASM4_SECOND : WASM4_FIRST) : SEATS[seat];
  const pointer = pointerOf(columns);
  const actions = [...own.actions];
  /** @type {Binding[]} */
  const bindings = [];
  columns.forEach((column, n) => {
    if (column.kind !== 'buttons' || n === pointer?.buttons) return;
    for (const { name, bit } of buttonsOf(column)) {
      const keys = name in ARROWS ? own.directions.flatMap((way) => way[name] ?? []) : (actions.shift() ?? []);
      bindings.push({ name, column: n, value: 2 ** bit, keys });
    }
  });
  bindings.push(...axisBindings(columns, bindings, own.directions));
  return { participant, bindings, pointer: participant === 0 ? pointer : null };
}

/** Axes that follow the pointer: a pair named as a mouse or the like. @param {Column[]} columns */
function pointerOf(columns) {
  const named = (/** @type {RegExp} */ pattern, /** @type {string} */ kind) =>
    columns.findIndex((column) => column.kind === kind && pattern.test(column.name));
  const x = named(/^(mouse|pointer|cursor|touch)_?x$/i, 'axis');
  const y = named(/^(mouse|pointer|cursor|touch)_?y$/i, 'axis');
  if (x < 0 || y < 0) return null;
  return { x, y, buttons: named(/^(mouse|pointer|cursor|touch)(_?buttons)?$/i, 'buttons') };
}

/**
 * Axes that mean a direction are driven by the direction keys, where no button takes them.
 * @param {Column[]} columns @param {Binding[]} taken @param {Record<string, string[]>[]} directions
 */
function axisBindings(columns, taken, directions) {
  if (taken.some(({ name }) => name in ARROWS)) return [];
  /** @type {Binding[]} */
  const bindings = [];
  columns.forEach((column, n) => {
    if (column.kind !== 'axis') return;
    const most = 2 ** (column.bits - 1) - 1;
    const ways = axisWays(column.name);
    for (const [way, sign] of ways) {
      bindings.push({ name: `${column.name} ${way.toLowerCase()}`, column: n, value: sign * most, keys: directions.flatMap((set) => set[way] ?? []) });
    }
  });
  return bindings;
}

/** @param {string} name @returns {[string, number][]} */
function axisWays(name) {
  if (/^((move|stick|dir|lean)_?)?(x|dx)$|^(steer|steering|turn|horizontal)$/i.test(name)) return [['LEFT', -1], ['RIGHT', 1]];
  if (/^((move|stick|dir|lean)_?)?(y|dy)$|^(pitch|vertical)$/i.test(name)) return [['UP', -1], ['DOWN', 1]];
  if (/^(throttle|thrust)$/i.test(name)) return [['UP', 1], ['DOWN', -1]];
  return [];
}

/** What a key is called on most keyboards. @param {string} code */
export function keyName(code) {
  const names = /** @type {Record<string, string>} */ ({
    ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', Period: '.', Comma: ',', Slash: '/',
    Escape: 'Esc', ShiftLeft: 'Left Shift', ShiftRight: 'Right Shift',
  });
  return names[code] ?? code.replace(/^Key/, '');
}

/** What an axis can hold of a place in a picture. @param {Column | undefined} column @param {number} value */
function within(column, value) {
  return Math.min(value, 2 ** ((column?.bits ?? 32) - 1) - 1);
}

/** Which keys are held, and what inputs they make. */
export class Controls {
  /** @param {Played} played @param {Layout[]} layouts */
  constructor(played, layouts) {
    this.played = played;
    this.layouts = layouts;
    /** @type {Set<string>} */
    this.held = new Set();
    /** Keys that went down since the last tick: a tap between two ticks counts for one. @type {Set<string>} */
    this.tapped = new Set();
    this.pointer = { ...(played.console === 'wasm4' ? WASM4_AWAY : { x: 0, y: 0 }), buttons: 0 };
    this.pointerTaps = 0;
  }

  /** Whether a key means something here. @param {string} code */
  knows(code) {
    return this.layouts.some(({ bindings }) => bindings.some(({ keys }) => keys.includes(code)));
  }

  /** @param {string} code */
  press(code) {
    this.held.add(code);
    this.tapped.add(code);
  }

  /** @param {string} code */
  release(code) {
    this.held.delete(code);
  }

  /** @param {{x: number, y: number}} point @param {number} buttons */
  point({ x, y }, buttons) {
    this.pointerTaps |= buttons & ~this.pointer.buttons;
    this.pointer = { x, y, buttons };
  }

  releaseAll() {
    this.held.clear();
    this.pointer.buttons = 0;
  }

  /** The inputs of everybody at this keyboard; taps are used up. @returns {[number, number[]][]} */
  take() {
    /** @type {[number, number[]][]} */
    const rows = this.layouts.map((seat) => [seat.participant, this.values(seat)]);
    this.tapped.clear();
    this.pointerTaps = 0;
    return rows;
  }

  /** @param {Layout} seat */
  values({ bindings, pointer }) {
    const values = this.played.columns.map(() => 0);
    const isOn = (/** @type {string} */ code) => this.held.has(code) || this.tapped.has(code);
    for (const { column, value, keys } of bindings) {
      if (keys.some(isOn)) values[column] = (values[column] ?? 0) + value;
    }
    if (pointer) {
      values[pointer.x] = within(this.played.columns[pointer.x], this.pointer.x);
      values[pointer.y] = within(this.played.columns[pointer.y], this.pointer.y);
      if (pointer.buttons >= 0) values[pointer.buttons] = this.pointer.buttons | this.pointerTaps;
    }
    return values;
  }
}
