import { element } from './dom.js';
import { bytesOf, grouped } from './format.js';

/**
 * @typedef {import('./types.js').Mark} Mark
 * @typedef {import('./types.js').MarkKind} MarkKind
 * @typedef {import('./scrub_bar.js').ShownMark} ShownMark
 * @typedef {{kind: number, name: string, colour: string, count: number, isShown: boolean}} KindShown
 */

const COLOURS = 8;
/** What carts emit, by kind; they do not name it. @type {Record<number, string>} */
const CART_KINDS = { 1: 'tone', 2: 'trace' };
/** So many dots can be told apart on a line; kinds with more are hidden until somebody asks for them. */
const READABLE_MAX = 120;

/** The kinds of marks in a session, which of them are shown, and their legend. */
export class MarkLegend {
  /** @param {string} console @param {(marks: ShownMark[]) => void} onChange */
  constructor(console, onChange) {
    this.console = console;
    this.onChange = onChange;
    this.root = element('div', { class: 'legend', role: 'group', 'aria-label': 'Marks shown', 'data-testid': 'marks' });
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Map<number, KindShown>} */
    this.kinds = new Map();
  }

  /** @param {Mark[]} marks @param {MarkKind[]} names */
  set(marks, names) {
    this.marks = marks;
    const counts = new Map();
    for (const { kind } of marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    for (const kind of [...counts.keys()].sort((one, other) => one - other)) {
      const name = names.find((named) => named.kind === kind)?.name.toLowerCase() ?? CART_KINDS[this.console === 'wasm4' ? kind : 0] ?? `kind ${kind}`;
      const count = counts.get(kind);
      const known = this.kinds.get(kind);
      if (known) known.count = count;
      else this.kinds.set(kind, { kind, name, count, colour: `--mark-${this.kinds.size % COLOURS}`, isShown: count <= READABLE_MAX });
    }
    this.showChips();
    this.onChange(this.shown());
  }

  showChips() {
    this.root.replaceChildren(...Array.from(this.kinds.values(), (kind) => this.chip(kind)));
  }

  /** @param {KindShown} kind */
  chip(kind) {
    const dot = element('span', { class: 'dot' });
    dot.style.background = `var(${kind.colour})`;
    const chip = element(
      'button',
      { type: 'button', class: 'chip', 'aria-pressed': String(kind.isShown), 'data-kind': kind.kind },
      dot,
      kind.name,
      element('span', { class: 'chip-count' }, grouped(kind.count)),
    );
    chip.addEventListener('click', () => {
      kind.isShown = !kind.isShown;
      chip.setAttribute('aria-pressed', String(kind.isShown));
      this.onChange(this.shown());
    });
    return chip;
  }

  /** @returns {ShownMark[]} */
  shown() {
    const shown = [];
    for (const mark of this.marks) {
      const kind = this.kinds.get(mark.kind);
      if (kind?.isShown) {
        shown.push({ tick: mark.tick, kind: mark.kind, colour: kind.colour, text: `${kind.name} ${this.payloadText(mark)}`.trim() });
      }
    }
    return shown;
  }

  /** The next shown mark after a tick, or the last before it. @param {number} tick @param {1 | -1} direction */
  beside(tick, direction) {
    const ticks = this.shown().map((mark) => mark.tick);
    return direction > 0 ? ticks.find((other) => other > tick) : ticks.findLast((other) => other < tick);
  }

  /** @param {Mark} mark */
  payloadText({ kind, payload }) {
    const bytes = bytesOf(payload);
    if (this.console === 'wasm4' && kind === 2) return new TextDecoder().decode(bytes).slice(0, 60);
    if (this.console === 'wasm4' && kind === 1 && bytes.length >= 16) {
      const [frequency = 0, duration = 0] = new Uint32Array(bytes.slice(0, 8).buffer);
      return `${frequency & 0xffff} Hz, ${duration & 0xff} ticks`;
    }
    return bytes.length <= 8 ? Array.from(bytes).join(' ') : `${bytes.length} bytes`;
  }
}
