import { element, setText } from './dom.js';
import { ago, counted, fullTime, lengthOf, titleOf } from './format.js';
import { drawPicture, drawPattern, forgetPicture, requestPicture } from './pictures.js';

/** @typedef {import('./types.js').Summary} Summary */

/** A picture of a recording is made anew when so many times as many ticks are there. */
const REDRAW_GROWTH = 3;
/** Most sessions were stopped by whoever played. */
const NOTHING_TO_SAY = { text: '', tone: '', isLive: false };

/** One session of the library; it is updated in place while the session grows. */
export class SessionCard {
  /** @param {Summary} summary */
  constructor(summary) {
    this.summary = summary;
    this.canvas = element('canvas', { 'aria-hidden': 'true' });
    drawPattern(this.canvas, summary.module ?? summary.session);
    this.length = element('span', { class: 'length' });
    this.badge = element('span', { class: 'badge', hidden: true, 'data-testid': 'state' });
    this.when = element('span', { title: fullTime(summary.started_at) });
    this.root = element(
      'li',
      { class: 'session', 'data-testid': 'session', 'data-session': summary.session },
      element(
        'a',
        { href: `#/session/${summary.session}` },
        element('div', { class: 'picture' }, this.canvas, this.badge, this.length),
        element(
          'div',
          {},
          element('h2', {}, titleOf(summary)),
          element(
            'div',
            { class: 'meta' },
            this.when,
            element('span', {}, counted(summary.participants, 'participant')),
            element('span', { class: 'console' }, summary.console),
          ),
        ),
      ),
    );
    /** @type {(() => void) | null} */
    this.takeBack = null;
    this.drawnTicks = -1;
    this.isSeen = false;
    this.observer = new IntersectionObserver((entries) => this.onSeen(entries.some((entry) => entry.isIntersecting)));
    this.observer.observe(this.root);
    this.update(summary);
  }

  close() {
    this.observer.disconnect();
    this.takeBack?.();
  }

  /** @param {boolean} isSeen */
  onSeen(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) this.askForPicture();
    else {
      this.takeBack?.();
      this.takeBack = null;
    }
  }

  askForPicture() {
    const { ticks, session, console } = this.summary;
    if (this.takeBack || console === 'native' || !this.isSeen) return;
    if (this.drawnTicks >= 0 && ticks <= this.drawnTicks * REDRAW_GROWTH) return;
    if (this.drawnTicks >= 0) forgetPicture(session);
    this.takeBack = requestPicture(session, (frame) => {
      this.takeBack = null;
      this.drawnTicks = ticks;
      if (frame) drawPicture(this.canvas, frame);
    });
  }

  /** @param {Summary} summary */
  update(summary) {
    this.summary = summary;
    setText(this.length, lengthOf(summary.ticks, summary.rate));
    setText(this.when, ago(summary.started_at));
    const { text, tone, isLive } = summary.end?.reason === 'stopped' ? NOTHING_TO_SAY : stateOf(summary);
    const shown = `${tone} ${text}`;
    if (this.badge.dataset.shown !== shown) {
      this.badge.dataset.shown = shown;
      this.badge.className = `badge ${tone}`;
      this.badge.hidden = text === '';
      this.badge.title = summary.end?.detail ?? '';
      this.badge.replaceChildren(...(isLive ? [element('span', { class: 'dot pulse' })] : []), text);
    }
    if (this.isSeen) this.askForPicture();
  }
}

/**
 * How a session stands, in a word.
 * @param {Summary} summary @returns {{text: string, tone: string, isLive?: boolean}}
 */
export function stateOf({ state, end }) {
  if (state === 'recording') return { text: 'Recording', tone: 'live', isLive: true };
  if (state === 'interrupted') return { text: 'Interrupted', tone: 'warn' };
  switch (end?.reason) {
    case 'over':
      return { text: 'Game over', tone: '' };
    case 'failed':
      return { text: 'Failed', tone: 'bad' };
    case 'truncated':
      return { text: 'Truncated', tone: 'warn' };
    default:
      return { text: 'Ended', tone: '' };
  }
}
