import { element } from './dom.js';

/** @typedef {import('./keys.js').Controls} Controls */

/**
 * Buttons to play with on a touch screen, in place of the keys of the first participant.
 * @param {HTMLElement} stage @param {Controls} controls
 */
export function offerTouch(stage, controls) {
  stage.querySelector('.touch')?.remove();
  if (!matchMedia('(pointer: coarse)').matches) return;
  const bindings = controls.layouts[0]?.bindings ?? [];
  const ways = ['UP', 'LEFT', 'RIGHT', 'DOWN'].map((way) => bindings.find(({ name }) => name === way));
  const actions = bindings.filter(({ name, keys }) => !['UP', 'LEFT', 'RIGHT', 'DOWN'].includes(name) && keys.length > 0);
  const cross = element('div', { class: 'touch-cross' });
  const signs = ['↑', '←', '→', '↓'];
  const areas = ['up', 'left', 'right', 'down'];
  ways.forEach((binding, n) => binding && cross.append(touchButton(signs[n] ?? '', `touch-${areas[n]}`, binding.keys[0] ?? '', controls)));
  const rest = element('div', { class: 'touch-actions' }, ...actions.slice(0, 4).map(({ name, keys }) => touchButton(name.toLowerCase(), 'touch-action', keys[0] ?? '', controls)));
  stage.append(element('div', { class: 'touch' }, cross, rest));
}

/** @param {string} label @param {string} kind @param {string} code @param {Controls} controls */
function touchButton(label, kind, code, controls) {
  const made = element('button', { type: 'button', class: `touch-button ${kind}`, tabindex: -1 }, label);
  const release = () => controls.release(code);
  made.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    // A finger that slides to the next button presses that one.
    made.releasePointerCapture(event.pointerId);
    controls.press(code);
  });
  made.addEventListener('pointerenter', (event) => event.buttons > 0 && controls.press(code));
  for (const type of /** @type {const} */ (['pointerup', 'pointerleave', 'pointercancel'])) made.addEventListener(type, release);
  made.addEventListener('contextmenu', (event) => event.preventDefault());
  return made;
}
