import { element, setText } from './dom.js';
import { bytesOf, grouped } from './format.js';

/**
 * @typedef {import('./types.js').Mark} Mark
 * @typedef {import('./types.js').MarkKind} MarkKind
 * @typedef {import('./scrub_bar.js').ShownMark} ShownMark
 * @typedef {{kind: number, name: string, colour: string, count: number, isShown: boolean}} KindShown
 */

const COLOURS = 8;
/** Kinds that are told apart; a game may emit as many as there are numbers. */
const KINDS_MAX = 32;
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
    /** All kinds beyond those. @type {KindShown | null} */
    this.others = null;
  }

  /** @param {Mark[]} marks @param {MarkKind[]} names */
  set(marks, names) {
    this.marks = marks;
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const { kind } of marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const nameOf = new Map(names.map(({ kind, name }) => [kind, name.toLowerCase()]));
    const before = this.kinds.size;
    this.addKinds(counts, nameOf);
    let others = 0;
    for (const [kind, count] of counts) {
      const known = this.kinds.get(kind);
      if (known) known.count = count;
      else others += count;
    }
    if (others > 0) this.others ??= { kind: -1, name: 'others', count: 0, colour: `--mark-${COLOURS - 1}`, isShown: others <= READABLE_MAX };
    const isNew = this.kinds.size !== before || (others > 0 && this.others?.count === 0);
    if (this.others) this.others.count = others;
    if (isNew) this.showChips();
    else this.showCounts();
    this.onChange(this.shown());
  }

  /** The most frequent kinds have chips of their own. @param {Map<number, number>} counts @param {Map<number, string>} nameOf */
  addKinds(counts, nameOf) {
    const added = [...counts].filter(([kind]) => !this.kinds.has(kind)).sort(([, one], [, other]) => other - one).slice(0, Math.max(0, KINDS_MAX - this.kinds.size));
    for (const [kind, count] of added.sort(([one], [other]) => one - other)) {
      const name = nameOf.get(kind) ?? CART_KINDS[this.console === 'wasm4' ? kind : 0] ?? `kind ${kind}`;
      this.kinds.set(kind, { kind, name, count, colour: `--mark-${this.kinds.size % COLOURS}`, isShown: count <= READABLE_MAX });
    }
  }

  get chips() {
    return [...this.kinds.values(), ...(this.others ? [this.others] : [])];
  }

  showChips() {
    this.root.replaceChildren(...this.chips.map((kind) => this.chip(kind)));
  }

  showCounts() {
    this.chips.forEach(({ count }, n) => setText(this.root.children[n]?.lastElementChild ?? this.root, grouped(count)));
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
      const kind = this.kinds.get(mark.kind) ?? this.others;
      if (kind?.isShown) {
        shown.push({ tick: mark.tick, kind: kind.kind, colour: kind.colour, text: `${kind === this.others ? `kind ${mark.kind}` : kind.name} ${this.payloadText(mark)}`.trim() });
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
