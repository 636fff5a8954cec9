import * as api from './api.js';
import { button, element, icon, setText } from './dom.js';
import { clock, counted, fullTime, grouped, lengthOf, short, titleOf } from './format.js';
import { stateOf } from './session_card.js';
import { copy } from './share.js';

/**
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./types.js').Verdict} Verdict
 * @typedef {import('./player_link.js').Compared} Compared
 */

/** What is known about a session beside its picture. */
export class WatchPanel {
  /** @param {{onShare: () => void, onGoTo: (tick: number) => void, onReload: () => void}} asks */
  constructor({ onShare, onGoTo, onReload }) {
    this.onGoTo = onGoTo;
    this.title = element('h1', {}, ' ');
    this.badge = element('span', { class: 'badge', 'data-testid': 'state' });
    this.about = element('p', { class: 'meta' });
    this.reload = button('Reload', { id: 'reload', icon: 'refresh', title: 'Ask for what has come since' }, onReload);
    this.reload.hidden = true;
    this.download = element('a', { class: 'button plain', download: '', 'data-testid': 'download' }, icon('download'), element('span', {}, 'Download'));
    this.share = button('Copy link', { id: 'share', icon: 'link', title: 'A link to this tick  U' }, onShare);
    this.comparedLine = element('p', { class: 'check-line', 'data-testid': 'compared' }, icon('help'), element('span', {}, 'Nothing compared here yet'));
    this.comparedBar = element('div', { class: 'check-done' });
    this.verdictLine = element('p', { class: 'check-line', 'data-testid': 'verdict' });
    this.stateHash = element('code', { class: 'hash', 'data-testid': 'state-hash' }, '–');
    this.pads = element('div', {});
    this.details = element('dl', { class: 'details' });
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.root = this.layOut();
  }

  layOut() {
    return element(
      'aside',
      { class: 'theatre-side', 'aria-label': 'Session' },
      element('section', { class: 'side-head' }, element('div', { class: 'side-title' }, this.title, this.badge), this.about, element('div', { class: 'side-actions' }, this.download, this.share, this.reload)),
      element(
        'section',
        {},
        element('h2', {}, 'Integrity'),
        this.comparedLine,
        element('div', { class: 'check-bar', 'aria-hidden': 'true' }, this.comparedBar),
        this.verdictLine,
        element('div', { class: 'state-hash' }, element('span', {}, 'State hash of this tick'), this.stateHash),
      ),
      element('section', {}, element('h2', {}, 'Inputs'), this.pads),
      element('section', {}, element('h2', {}, 'Details'), this.details),
    );
  }

  /** @param {Session} session */
  showSession(session) {
    setText(this.title, titleOf(session));
    const { text, tone, isLive } = stateOf(session);
    if (this.badge.textContent !== text) {
      this.badge.className = `badge ${tone}`;
      this.badge.replaceChildren(...(isLive ? [element('span', { class: 'dot pulse' })] : []), text);
    }
    this.badge.title = session.end?.detail ?? '';
    setText(this.about, `${fullTime(session.started_at)} · ${lengthOf(session.ticks, session.rate)}`);
    this.download.href = api.replayAddress(session.session);
    this.reload.hidden = session.state === 'ended';
    this.showDetails(session);
  }

  /** @param {Session} session */
  showDetails(session) {
    const { simulation, rate, end } = session;
    const perSecond = rate.ticks / rate.seconds;
    const rows = /** @type {[string, Node | string][]} */ ([
      ['Session', copyable(session.session)],
      ['Module', simulation.module ? copyable(simulation.module) : 'native'],
      ['Console', simulation.console],
      ['Seed', copyable(session.seed)],
      ['Rate', `${Number(perSecond.toFixed(2))} ticks a second`],
      ['Length', counted(session.ticks, 'tick')],
      ['Participants', String(session.participants)],
      ['Hashes', session.hash_every > 0 ? `every ${counted(session.hash_every, 'tick')}` : 'none'],
      ['Limits', `${grouped(simulation.limits?.memory_pages ?? 0)} pages, ${grouped(simulation.limits?.stack_bytes ?? 0)} bytes of stack`],
    ]);
    if (end) rows.push(['Ended', [end.reason, end.detail].filter(Boolean).join(': ')]);
    if (simulation.console === 'native') rows.splice(-1, 1);
    // What is there stays, and with it the focus and what is selected.
    for (const [name, value] of rows) {
      const shown = this.rows.get(name);
      if (shown && typeof value === 'string') setText(shown, value);
      if (shown) continue;
      const made = element('dd', {}, value);
      this.rows.set(name, made);
      this.details.append(element('div', {}, element('dt', {}, name), made));
    }
  }

  /** @param {Compared} counts @param {Session} session */
  showCompared(counts, session) {
    const { compared, recorded, mismatch } = counts;
    this.comparedBar.style.scale = `${recorded === 0 ? 0 : compared / recorded} 1`;
    if (mismatch !== null) {
      const key = `mismatch ${mismatch}`;
      if (this.comparedLine.dataset.shown === key) return;
      this.comparedLine.dataset.shown = key;
      this.comparedLine.className = 'check-line bad';
      this.comparedLine.replaceChildren(icon('warn'), element('span', {}, `Compared here: mismatch at tick ${grouped(mismatch)}`, this.goTo(mismatch, session)));
      return;
    }
    const text = comparedWords(counts);
    if (this.comparedLine.dataset.shown === text) return;
    this.comparedLine.dataset.shown = text;
    this.comparedLine.className = `check-line ${compared > 0 ? 'good' : ''}`;
    this.comparedLine.replaceChildren(icon(compared > 0 ? 'check' : 'help'), element('span', {}, text));
  }

  /** The server's word, as it gave it. @param {Verdict | null} verdict @param {Session} session */
  showVerdict(verdict, session) {
    const line = this.verdictLine;
    const key = `${JSON.stringify(verdict)} ${session.state === 'ended'}`;
    if (line.dataset.shown === key) return;
    line.dataset.shown = key;
    line.className = 'check-line';
    if (verdict === null) {
      line.replaceChildren(icon('help'), element('span', {}, session.state === 'ended' ? 'Server: not verified yet' : 'Server: verifies when the session has ended'));
    } else if (verdict.result === 'verified') {
      line.classList.add('good');
      line.replaceChildren(icon('check'), element('span', {}, `Server: verified, ${counted(verdict.ticks, 'tick')} and ${counted(verdict.hashes, 'hash', 'hashes')}`));
    } else if (verdict.result === 'mismatch') {
      line.classList.add('bad');
      line.replaceChildren(icon('warn'), element('span', {}, `Server: mismatch at tick ${grouped(verdict.tick)}`, this.goTo(verdict.tick, session), element('span', { class: 'detail' }, verdict.detail)));
    } else {
      line.classList.add('warn');
      line.replaceChildren(icon('help'), element('span', {}, 'Server: not verifiable', element('span', { class: 'detail' }, verdict.detail)));
    }
  }

  /** @param {number} tick @param {Session} session */
  goTo(tick, session) {
    const link = element('button', { type: 'button', class: 'text-button' }, `Go to ${clock(tick, session.rate)}`);
    link.addEventListener('click', () => this.onGoTo(tick));
    return link;
  }

  /** @param {string | null} hash null while it changes too fast to be read */
  showStateHash(hash) {
    setText(this.stateHash, hash ?? 'when paused');
    this.stateHash.classList.toggle('waiting', hash === null);
  }
}

/** Hashes that follow from a keyframe show only that the server's states and hashes go together. @param {Compared} counts */
function comparedWords({ compared, from_keyframe, recorded }) {
  if (recorded === 0) return 'This session has no hashes to compare.';
  const all = counted(recorded, 'recorded hash', 'recorded hashes');
  const more = 'from a keyframe of the server';
  if (compared === 0 && from_keyframe === 0) return `None of ${all} compared here yet`;
  if (compared === 0) return `None of ${all} compared here from the start; ${grouped(from_keyframe)} equal ${more}`;
  if (from_keyframe === 0) return `${grouped(compared)} of ${all} compared here, all equal`;
  return `${grouped(compared)} of ${grouped(recorded)} compared here from the start, ${grouped(from_keyframe)} more ${more}, all equal`;
}

/** A long value by its beginning, copied as a whole. @param {string} text */
function copyable(text) {
  if (text.length <= 12) return element('code', {}, text);
  const made = element('button', { type: 'button', class: 'copyable', title: `${text}\nClick to copy`, 'aria-label': `Copy ${text}` }, element('code', {}, short(text)), icon('copy'));
  made.addEventListener('click', () => void copy(text, 'Copied'));
  return made;
}
