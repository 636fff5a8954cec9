import { button, element } from './dom.js';
import { clock, counted, titleOf } from './format.js';

/** @typedef {import('./play.js').PlayView} PlayView */

/** What lies over the picture of a game, by how it stands. @param {PlayView} view @returns {HTMLElement[]} */
export function playCover(view) {
  switch (view.phase) {
    case 'ready':
      return [
        element('h1', { class: 'veil-title' }, view.module ? titleOf(view.module) : ''),
        focused(button('Start', { id: 'start', icon: 'play', kind: 'primary', class: 'big' }, () => view.begin())),
        element('p', {}, 'Every tick is recorded from the start.'),
      ];
    case 'connecting':
      return [element('p', { role: 'status' }, 'Starting the recording')];
    case 'paused':
      return [
        button('Go on', { id: 'go-on', icon: 'play', kind: 'primary', class: 'big' }, () => view.resume()),
        element('p', {}, 'Paused. The game and its recording wait.'),
      ];
    case 'ending':
      return [element('p', { role: 'status' }, 'Ending the recording'), button('Watch it as soon as it is there', { id: 'watch-soon' }, () => view.watch())];
    case 'ended':
      return endedCover(view);
    default:
      return [];
  }
}

/** @param {PlayView} view */
function endedCover(view) {
  const ticks = view.recorder?.ended?.lastTick ?? 0;
  const words = view.session ? `${clock(ticks, view.session.rate)} recorded, ${counted(ticks, 'tick')}, all of it kept.` : '';
  const actions = view.afterwards().map(({ label, id, run, primary }) => button(label, { id, kind: primary ? 'primary' : 'plain', class: 'big' }, run));
  if (actions[0]) focused(actions[0]);
  return [element('p', { role: 'status', 'data-testid': 'ended' }, words), element('div', { class: 'veil-actions' }, ...actions)];
}

/** Gives it the focus when it is in the page. @param {HTMLElement} target */
function focused(target) {
  setTimeout(() => target.focus({ preventScroll: true }));
  return target;
}

/** What is not lost, whatever happens next. @param {import('./recorder.js').Recorder} recorder @param {import('./types.js').Rate} rate */
export function keptWords(recorder, rate) {
  const { acknowledged, nextTick, isLost, isOver } = recorder;
  if (isLost) return '';
  const kept = acknowledged === 0 ? 'No tick is acknowledged yet.' : `Kept: every tick up to ${acknowledged} (${clock(acknowledged, rate)}).`;
  return nextTick > acknowledged && !isOver ? `${kept} What follows waits in this page.` : kept;
}
