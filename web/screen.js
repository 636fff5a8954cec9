import { element } from './dom.js';
import { drawFrame } from './pictures.js';

/** @typedef {import('./pictures.js').Frame} Frame */

/**
 * The picture of a simulation, each of its pixels a whole number of the display's pixels. It has its size before
 * the first frame, so that nothing moves when that arrives.
 */
export class Screen {
  constructor() {
    this.canvas = element('canvas', { class: 'screen-canvas', role: 'img', 'aria-label': 'Picture of the game', 'data-testid': 'screen' });
    this.veil = element('div', { class: 'screen-veil', hidden: true });
    this.root = element('div', { class: 'screen' }, this.canvas, this.veil);
    this.width = 160;
    this.height = 160;
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.root);
  }

  close() {
    this.observer.disconnect();
  }

  /** @param {number} width @param {number} height */
  setSize(width, height) {
    if (this.width === width && this.height === height && this.canvas.style.width !== '') return;
    this.width = width;
    this.height = height;
    this.canvas.width = width;
    this.canvas.height = height;
    this.root.parentElement?.style.setProperty('--shape', `${width} / ${height}`);
    this.fit();
  }

  fit() {
    const { clientWidth, clientHeight } = this.root;
    const density = devicePixelRatio || 1;
    const room = Math.min((clientWidth * density) / this.width, (clientHeight * density) / this.height);
    // A picture larger than its place is shrunk rather than cut.
    const scale = room >= 1 ? Math.floor(room) : room;
    this.canvas.style.width = `${(this.width * scale) / density}px`;
    this.canvas.style.height = `${(this.height * scale) / density}px`;
  }

  /** @param {Frame} frame */
  draw(frame) {
    this.setSize(frame.width, frame.height);
    drawFrame(this.canvas, frame);
  }

  /** Words over the picture, or none. @param {...(Node | string)} content */
  cover(...content) {
    this.veil.hidden = content.length === 0;
    this.veil.replaceChildren(...content);
  }

  /** Where an event lies in the picture, in its pixels. @param {PointerEvent} event */
  pointAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (/** @type {number} */ offset, /** @type {number} */ length, /** @type {number} */ pixels) =>
      Math.max(0, Math.min(pixels - 1, Math.floor((offset / Math.max(1, length)) * pixels)));
    return {
      x: at(event.clientX - box.left, box.width, this.width),
      y: at(event.clientY - box.top, box.height, this.height),
    };
  }
}
