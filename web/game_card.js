import { element, icon } from './dom.js';
import { counted, titleOf } from './format.js';
import { drawPicture, drawPattern, requestPicture } from './pictures.js';

/** @typedef {import('./types.js').Module} Module */
/** @typedef {import('./types.js').Summary} Summary */

/** A game and the button to play it. @param {Module} module @param {Summary | null} newest a session of it, for the picture */
export function gameCard(module, newest) {
  const canvas = element('canvas', { 'aria-hidden': 'true' });
  drawPattern(canvas, module.module);
  if (newest) requestPicture(newest.session, (frame) => frame && drawPicture(canvas, frame));
  const title = titleOf(module);
  const about = [module.console, counted(module.participants, 'participant'), module.bot ? 'bots' : null];
  return element(
    'article',
    { class: 'game', 'data-testid': 'game', 'data-module': module.module },
    element('div', { class: 'picture' }, canvas),
    element(
      'div',
      { class: 'game-text' },
      element('h2', { title }, title),
      element('div', { class: 'meta', title: `Module ${module.module}` }, about.filter(Boolean).join(' · ')),
    ),
    element(
      'a',
      { class: 'button primary', href: `#/play/${module.module}`, 'data-testid': 'play', 'aria-label': `Play ${title}` },
      icon('play'),
      'Play',
    ),
  );
}
