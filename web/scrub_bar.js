import { element, setAttributes, setText } from './dom.js';
import { clock, grouped } from './format.js';

/**
 * @typedef {import('./types.js').Rate} Rate
 * @typedef {{tick: number, kind: number, colour: string, text: string}} ShownMark
 */

const LANES = 4;
const LANE_HEIGHT = 7;
const NEAR_PIXELS = 5;
const TOLD_MAX = 4;

/** Where the playhead is in the session, and the way to anywhere else in it. */
export class ScrubBar {
  /** @param {{rate: Rate, onSeek: (tick: number, isLast: boolean) => void}} options */
  constructor({ rate, onSeek }) {
    this.rate = rate;
    this.onSeek = onSeek;
    this.lastTick = 0;
    this.playhead = 0;
    /** @type {ShownMark[]} */
    this.marks = [];
    /** @type {number[]} */
    this.keyframes = [];
    /** @type {Map<number, number>} */
    this.laneOf = new Map();
    this.isDragging = false;

    this.canvas = element('canvas', { class: 'scrub-marks', 'aria-hidden': 'true' });
    this.done = element('div', { class: 'scrub-done' });
    this.head = element('div', { class: 'scrub-head' });
    this.hover = element('div', { class: 'scrub-hover', hidden: true });
    this.tip = element('div', { class: 'scrub-tip', hidden: true, 'aria-hidden': 'true' });
    this.area = element(
      'div',
      { class: 'scrub', role: 'slider', tabindex: 0, 'aria-label': 'Playhead', 'aria-valuemin': 0, 'data-testid': 'scrub' },
      element('div', { class: 'scrub-track' }, this.done),
      this.canvas,
      this.hover,
      this.head,
    );
    this.root = element('div', { class: 'scrub-box' }, this.tip, this.area);
    this.listen();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.area);
    this.onTheme = () => this.redraw();
    addEventListener('themechange', this.onTheme);
  }

  close() {
    this.observer.disconnect();
    removeEventListener('themechange', this.onTheme);
  }

  listen() {
    const { area } = this;
    area.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      area.setPointerCapture(event.pointerId);
      this.isDragging = true;
      this.follow(event, false);
    });
    area.addEventListener('pointermove', (event) => {
      this.showTip(event.clientX);
      if (this.isDragging) this.follow(event, false);
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (!this.isDragging) return;
      this.isDragging = false;
      this.follow(event, true);
      if (event.pointerType !== 'mouse') this.hideTip();
    };
    area.addEventListener('pointerup', end);
    area.addEventListener('pointercancel', end);
    area.addEventListener('pointerleave', () => this.isDragging || this.hideTip());
  }

  /** @param {PointerEvent} event @param {boolean} isLast */
  follow(event, isLast) {
    const tick = this.tickUnder(event.clientX);
    this.place(tick);
    this.onSeek(tick, isLast);
  }

  /** @param {number} clientX */
  tickUnder(clientX) {
    const box = this.area.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (clientX - box.left) / Math.max(1, box.width)));
    return Math.round(share * this.lastTick);
  }

  /** @param {number} tick */
  share(tick) {
    return this.lastTick === 0 ? 0 : Math.min(1, tick / this.lastTick);
  }

  /** @param {number} lastTick */
  setLength(lastTick) {
    if (lastTick === this.lastTick) return;
    this.lastTick = lastTick;
    this.setPlayhead(this.playhead);
    this.redraw();
  }

  /** While somebody drags, the head stays under the pointer. @param {number} tick */
  setPlayhead(tick) {
    this.playhead = tick;
    if (!this.isDragging) this.place(tick);
    setAttributes(this.area, {
      'aria-valuemax': this.lastTick,
      'aria-valuenow': tick,
      'aria-valuetext': `${clock(tick, this.rate)} of ${clock(this.lastTick, this.rate)}`,
    });
  }

  /** @param {number} tick */
  place(tick) {
    const share = this.share(tick);
    this.done.style.scale = `${share} 1`;
    this.head.style.left = `${share * 100}%`;
  }

  /** @param {ShownMark[]} marks in order of ticks @param {number[]} keyframes */
  setEvents(marks, keyframes) {
    this.marks = marks;
    this.keyframes = keyframes;
    this.laneOf = new Map();
    for (const { kind } of marks) {
      if (!this.laneOf.has(kind)) this.laneOf.set(kind, this.laneOf.size % LANES);
    }
    this.redraw();
  }

  redraw() {
    const { clientWidth: width, clientHeight: height } = this.area;
    const density = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * density);
    this.canvas.height = Math.round(height * density);
    const context = this.canvas.getContext('2d');
    if (!context || this.lastTick === 0) return;
    context.scale(density, density);
    this.drawKeyframes(context, width, height);
    this.drawMarks(context, width);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
  drawKeyframes(context, width, height) {
    context.fillStyle = this.colour('--line-strong');
    // Where they would run into each other they say nothing.
    const step = Math.max(1, Math.ceil((this.keyframes.length * 6) / width));
    this.keyframes.forEach((tick, n) => {
      if (n % step === 0) context.fillRect(Math.round(this.share(tick) * (width - 1)), height - 7, 1, 5);
    });
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width */
  drawMarks(context, width) {
    const drawn = new Set();
    /** @type {Map<string, string>} */
    const colours = new Map();
    for (const { tick, kind, colour } of this.marks) {
      const x = Math.round(this.share(tick) * width);
      const lane = this.laneOf.get(kind) ?? 0;
      const place = x * LANES + lane;
      if (drawn.has(place)) continue;
      drawn.add(place);
      if (!colours.has(colour)) colours.set(colour, this.colour(colour));
      context.fillStyle = colours.get(colour) ?? '';
      context.beginPath();
      context.arc(x, 6 + lane * LANE_HEIGHT, 2.5, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** What a colour of the style sheet is in the present theme. @param {string} name */
  colour(name) {
    this.tip.style.outlineColor = `var(${name})`;
    return getComputedStyle(this.tip).outlineColor;
  }

  /** @param {number} clientX */
  showTip(clientX) {
    const box = this.area.getBoundingClientRect();
    const tick = this.tickUnder(clientX);
    const x = Math.max(0, Math.min(box.width, clientX - box.left));
    this.hover.hidden = this.tip.hidden = false;
    this.hover.style.left = `${x}px`;
    const ticksNear = (NEAR_PIXELS / Math.max(1, box.width)) * this.lastTick;
    const near = this.marks.filter((mark) => Math.abs(mark.tick - tick) <= ticksNear);
    this.tip.replaceChildren(
      element('div', { class: 'tip-time' }, clock(tick, this.rate), element('span', {}, `tick ${grouped(tick)}`)),
      ...near.slice(0, TOLD_MAX).map(({ colour, text }) => markLine(colour, text)),
      near.length > TOLD_MAX ? element('div', { class: 'tip-more' }, `and ${near.length - TOLD_MAX} more`) : '',
    );
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(half, Math.min(box.width - half, x))}px`;
  }

  hideTip() {
    this.hover.hidden = this.tip.hidden = true;
  }
}

/** @param {string} colour @param {string} text */
function markLine(colour, text) {
  const dot = element('span', { class: 'dot' });
  dot.style.background = `var(${colour})`;
  const words = element('span', {});
  setText(words, text);
  return element('div', { class: 'tip-mark' }, dot, words);
}
