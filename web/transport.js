import { button, element, setAttributes, setIcon } from './dom.js';
import { clock, parseClock } from './format.js';

/** @typedef {import('./types.js').Rate} Rate */

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

/**
 * What the controls ask for.
 * @typedef {object} Asks
 * @property {() => void} toggle
 * @property {(ticks: number) => void} step
 * @property {(rate: number) => void} rate
 * @property {(tick: number) => void} goTo
 * @property {() => void} fullscreen
 * @property {() => void} help
 */

/** The controls under the picture. */
export class Transport {
  /** @param {Rate} rate of the session @param {Asks} asks */
  constructor(rate, asks) {
    this.rate = rate;
    this.asks = asks;
    this.back = button('One tick back', { id: 'step-back', icon: 'stepBack', kind: 'icon', title: 'One tick back  ,' }, () => asks.step(-1));
    this.playButton = button('Play', { id: 'play-pause', icon: 'play', kind: 'icon', class: 'play', title: 'Play or pause  Space' }, () => asks.toggle());
    this.forward = button('One tick forward', { id: 'step-forward', icon: 'stepForward', kind: 'icon', title: 'One tick forward  .' }, () => asks.step(1));
    this.time = field('time', 'Time of the playhead: go to', (text) => parseClock(text, rate), asks.goTo);
    this.tick = field('tick', 'Tick of the playhead: go to', parseTick, asks.goTo);
    this.length = element('span', { class: 'deck-length', 'data-testid': 'length' });
    this.reverse = button('Backwards', { id: 'reverse', icon: 'reverse', kind: 'icon', title: 'Play backwards  J' }, () => {
      this.reverse.setAttribute('aria-pressed', String(!this.isReverse));
      this.askRate();
    });
    this.reverse.setAttribute('aria-pressed', 'false');
    this.speed = element('select', { class: 'field speed', 'aria-label': 'Speed', 'data-testid': 'rate' }, ...SPEEDS.map((speed) => element('option', { value: speed, selected: speed === 1 }, `${speed}×`)));
    this.speed.addEventListener('change', () => this.askRate());
    this.root = element(
      'div',
      { class: 'transport' },
      element('div', { class: 'transport-move' }, this.back, this.playButton, this.forward),
      element('div', { class: 'transport-place' }, this.time.input, element('span', { class: 'of' }, '/'), this.length, element('label', { class: 'deck-tick' }, element('span', {}, 'tick'), this.tick.input)),
      element(
        'div',
        { class: 'transport-more' },
        this.reverse,
        this.speed,
        button('Fullscreen', { id: 'fullscreen', icon: 'fullscreen', kind: 'icon', title: 'Fullscreen  F' }, () => asks.fullscreen()),
        button('Keys', { id: 'help', icon: 'help', kind: 'icon', title: 'Keys  ?' }, () => asks.help()),
      ),
    );
  }

  get isReverse() {
    return this.reverse.getAttribute('aria-pressed') === 'true';
  }

  askRate() {
    this.asks.rate(Number(this.speed.value) * (this.isReverse ? -1 : 1));
  }

  /** @param {number} tick @param {number} lastTick */
  showPlace(tick, lastTick) {
    this.time.show(clock(tick, this.rate));
    this.tick.show(String(tick));
    const length = clock(lastTick, this.rate);
    if (this.length.textContent !== length) this.length.textContent = length;
  }

  /** @param {boolean} isPlaying @param {number} rate */
  showPlaying(isPlaying, rate) {
    setIcon(this.playButton, isPlaying ? 'pause' : rate < 0 ? 'reverse' : 'play');
    setAttributes(this.playButton, { 'aria-label': isPlaying ? 'Pause' : 'Play' });
    this.reverse.setAttribute('aria-pressed', String(rate < 0));
    this.speed.value = String(Math.abs(rate));
  }
}

/** The speed so many steps from another, of either sign. @param {number} rate @param {1 | -1} direction */
export function nextSpeed(rate, direction) {
  const place = SPEEDS.indexOf(Math.abs(rate)) + direction;
  return SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, place))] ?? 1;
}

/** @param {string} text */
function parseTick(text) {
  const digits = text.replace(/[\s,]/g, '');
  return /^\d{1,10}$/.test(digits) ? Number(digits) : null;
}

/**
 * A number that shows the playhead, and moves it when another is typed.
 * @param {string} id @param {string} label @param {(text: string) => number | null} parse @param {(tick: number) => void} goTo
 */
function field(id, label, parse, goTo) {
  const input = element('input', { class: `place ${id}`, 'aria-label': label, title: 'Go to', 'data-testid': id, autocomplete: 'off', spellcheck: 'false', inputmode: id === 'tick' ? 'numeric' : 'text' });
  let shown = '';
  let isEdited = false;
  const reset = () => {
    isEdited = false;
    input.value = shown;
    input.removeAttribute('aria-invalid');
  };
  input.addEventListener('focus', () => input.select());
  input.addEventListener('input', () => {
    isEdited = true;
    input.setAttribute('aria-invalid', String(parse(input.value) === null));
  });
  input.addEventListener('blur', reset);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') input.blur();
    if (event.key !== 'Enter') return;
    const tick = parse(input.value);
    if (tick === null) return;
    goTo(tick);
    input.blur();
  });
  const show = (/** @type {string} */ text) => {
    shown = text;
    if (!isEdited && input.value !== text) input.value = text;
  };
  return { input, show };
}
