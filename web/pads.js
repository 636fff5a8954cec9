import { element, setText } from './dom.js';

/** @typedef {import('./types.js').Column} Column */

const ARROWS = /** @type {Record<string, string>} */ ({ UP: '↑', DOWN: '↓', LEFT: '←', RIGHT: '→' });

/**
 * Bits that a column names, in capitals; of one that names none, those of a usual pad. What is reserved has no
 * button.
 * @param {Column} column
 */
export function buttonsOf(column) {
  const names = column.buttons ?? [];
  if (names.some((name) => name !== '')) {
    return names.map((name, bit) => ({ name: name.toUpperCase(), bit })).filter(({ name }) => name !== '' && !name.startsWith('RESERVED'));
  }
  if (column.kind !== 'buttons') return [];
  return PAD_BUTTONS;
}

/** What consoles of this kind have: two buttons, then the four directions. */
const PAD_BUTTONS = [
  { name: 'X', bit: 0 },
  { name: 'Z', bit: 1 },
  { name: 'LEFT', bit: 4 },
  { name: 'RIGHT', bit: 5 },
  { name: 'UP', bit: 6 },
  { name: 'DOWN', bit: 7 },
];

/** What participants do at the playhead, a row for each. */
export class Pads {
  /** @param {Column[]} columns @param {number} participants */
  constructor(columns, participants) {
    this.rows = Array.from({ length: participants }, (_, participant) => new PadRow(columns, participant));
    this.root = element('div', { class: 'pads', 'data-testid': 'pads' }, ...this.rows.map((row) => row.root));
  }

  /** @param {(number[] | null)[]} inputs the values of each participant, null while absent */
  show(inputs) {
    this.rows.forEach((row, participant) => row.show(inputs[participant] ?? null));
  }

  /** @param {number} participant @param {string} who */
  name(participant, who) {
    const row = this.rows[participant];
    if (row) setText(row.who, who);
  }
}

class PadRow {
  /** @param {Column[]} columns @param {number} participant */
  constructor(columns, participant) {
    this.who = element('span', { class: 'pad-who' }, `P${participant + 1}`);
    const isOnlyAxis = columns.filter(({ kind }) => kind === 'axis').length === 1;
    this.parts = columns.map((column) => (column.kind === 'buttons' ? new ButtonLights(column) : new AxisValue(column, !isOnlyAxis)));
    const ofMouse = this.parts.filter((_, n) => isMouse(columns[n]?.name ?? ''));
    const rest = this.parts.filter((part) => !ofMouse.includes(part));
    // There is one mouse, and the first participant has it.
    const mouse = ofMouse.length > 0 && participant === 0 ? element('span', { class: 'pad-mouse' }, 'mouse', ...ofMouse.map((part) => part.root)) : null;
    this.root = element(
      'div',
      { class: 'pad', 'data-participant': participant },
      this.who,
      element('div', { class: 'pad-parts' }, ...rest.map((part) => part.root), mouse),
    );
    this.shown = '';
  }

  /** @param {number[] | null} values */
  show(values) {
    const key = values === null ? '-' : values.join();
    if (key === this.shown) return;
    this.shown = key;
    this.root.classList.toggle('absent', values === null);
    this.parts.forEach((part, n) => part.show(values?.[n] ?? 0));
  }
}

class ButtonLights {
  /** @param {Column} column */
  constructor(column) {
    this.lights = inReadingOrder(buttonsOf(column)).map(({ name, bit }) => {
      const sign = isMouse(column.name) ? name.slice(0, 1).toLowerCase() : (ARROWS[name] ?? shortName(name));
      const light = element('span', { class: 'light', title: `${column.name}: ${name.toLowerCase()}` }, sign);
      return { mask: 2 ** bit, light };
    });
    this.root = element('span', { class: 'lights' }, ...this.lights.map(({ light }) => light));
  }

  /** @param {number} value */
  show(value) {
    for (const { mask, light } of this.lights) {
      light.classList.toggle('lit', Math.floor(value / mask) % 2 === 1);
    }
  }
}

class AxisValue {
  /** @param {Column} column @param {boolean} isNamed */
  constructor(column, isNamed) {
    this.value = element('span', { class: 'axis-value' }, '0');
    this.root = element('span', { class: 'axis', title: column.name }, isNamed ? axisName(column.name) : null, this.value);
  }

  /** @param {number} value */
  show(value) {
    setText(this.value, String(value));
  }
}

/** Directions as on a keyboard, then the rest. @template {{name: string}} T @param {T[]} buttons */
function inReadingOrder(buttons) {
  const order = ['LEFT', 'UP', 'DOWN', 'RIGHT'];
  const rank = (/** @type {T} */ { name }) => (order.includes(name) ? order.indexOf(name) : order.length);
  return [...buttons].sort((one, other) => rank(one) - rank(other));
}

/** @param {string} name */
function shortName(name) {
  return name.length <= 5 ? name.toLowerCase() : name.slice(0, 4).toLowerCase();
}

/** @param {string} name of a column */
function isMouse(name) {
  return /^(mouse|pointer|cursor|touch)/i.test(name);
}

/** @param {string} name */
function axisName(name) {
  return name.replace(/^mouse_/, '');
}
