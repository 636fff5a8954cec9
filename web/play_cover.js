import { button, element } from './dom.js';
import { clock, counted, grouped, titleOf } from './format.js';

/** @typedef {import('./play.js').PlayView} PlayView */
/** @typedef {import('./recorder.js').Recorder} Recorder */
/** @typedef {import('./types.js').Rate} Rate */

/** How long what comes up under a player's fingers cannot be pressed. */
const CALM_MILLIS = 600;

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
  const words = view.recorder ? endedWords(view.recorder, view.module?.rate ?? { ticks: 60, seconds: 1 }) : '';
  const actions = view.afterwards().map(({ label, id, run, primary }) => button(label, { id, kind: primary ? 'primary' : 'plain', class: 'big' }, run));
  const choices = element('div', { class: 'veil-actions', inert: true }, ...actions);
  // Whoever still plays when the game is over does not mean these buttons.
  setTimeout(() => (choices.inert = false), CALM_MILLIS);
  return [focused(element('p', { role: 'status', tabindex: -1, 'data-testid': 'ended' }, words)), choices];
}

/** @param {Recorder} recorder @param {Rate} rate */
function endedWords({ ended, nextTick, lostTicks }, rate) {
  const ticks = ended?.lastTick ?? 0;
  const recorded = ticks === 0 ? 'No tick was recorded' : `${clock(ticks, rate)} recorded, ${counted(ticks, 'tick')}`;
  if (lostTicks > 0) return `${recorded}. The session had ended there: ${counted(lostTicks, 'tick')} of the ${grouped(nextTick)} played here were not kept.`;
  return ticks === 0 ? `${recorded}.` : `${recorded}, all of it kept.`;
}

/** Gives it the focus when it is in the page. @template {HTMLElement} T @param {T} target */
function focused(target) {
  setTimeout(() => target.focus({ preventScroll: true }));
  return target;
}

/** @param {number} tick @param {Rate} rate */
export function keptTo(tick, rate) {
  return `Kept: every tick up to ${tick} (${clock(tick, rate)}).`;
}

/** What is not lost, and what is. @param {Recorder} recorder @param {Rate} rate */
export function keptWords(recorder, rate) {
  const { acknowledged, nextTick, isLost, isOver, lostTicks } = recorder;
  if (isLost) return '';
  const kept = acknowledged === 0 ? isOver ? 'No tick was acknowledged.' : 'No tick is acknowledged yet.' : keptTo(acknowledged, rate);
  // What was on its way when a connection was refused may still have been taken.
  const fate = recorder.notice?.code === 'session_ended' ? 'lost' : 'not acknowledged and may be lost';
  if (lostTicks > 0) return `${kept} ${counted(lostTicks, 'tick')} played after it ${lostTicks === 1 ? 'is' : 'are'} ${fate}.`;
  return nextTick > acknowledged && !isOver ? `${kept} What follows waits in this page.` : kept;
}
