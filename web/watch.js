import * as api from './api.js';
import { element, isTyping } from './dom.js';
import { clock, tickAt, titleOf } from './format.js';
import { helpDialog } from './help.js';
import { MarkLegend } from './marks.js';
import { noticeElement, noticeOf } from './notice.js';
import { Pads } from './pads.js';
import { PlayerLink } from './player_link.js';
import { Screen } from './screen.js';
import { ScrubBar } from './scrub_bar.js';
import { copy } from './share.js';
import { Transport, nextSpeed } from './transport.js';
import { WatchPanel } from './watch_panel.js';

/**
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./notice.js').Notice} Notice
 * @typedef {import('./player_link.js').Shown} Shown
 * @typedef {import('./player_link.js').Opened} Opened
 * @typedef {import('./player_link.js').News} News
 */

const REFRESH_MILLIS = 2000;
/** How often somebody asks for a verdict that does not come. */
const VERDICT_TRIES_MAX = 30;
/** A pause of the display longer than this is no time that was watched. */
const FRAME_MILLIS_MAX = 250;
const HASH_WAIT_MILLIS = 180;

/** Plays a session: any tick, either way, at any rate. */
export class WatchView {
  name = 'watch';

  /** @param {string} id @param {URLSearchParams} parameters @param {(name: string, more?: string) => void} setContext */
  constructor(id, parameters, setContext) {
    this.id = id;
    this.setContext = setContext;
    this.startTick = tickOf(parameters);
    /** @type {Session | null} */
    this.session = null;
    /** @type {PlayerLink | null} */
    this.link = null;
    /** @type {import('./types.js').Verdict | null} */
    this.verdict = null;
    this.compared = { compared: 0, from_keyframe: 0, recorded: 0, mismatch: /** @type {number | null} */ (null) };
    this.playhead = 0;
    this.lastTick = 0;
    this.isPlaying = false;
    this.rate = 1;
    this.isClosed = false;
    this.verdictTries = 0;
    /** How many marks and keyframes are shown. */
    this.shownEvents = '';
    /** The tick whose hash is shown or asked for. */
    this.hashed = -1;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hashTimer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.refreshTimer = undefined;

    this.screen = new Screen();
    this.panel = new WatchPanel({ onShare: () => this.share(), onGoTo: (tick) => this.goToTick(tick), onReload: () => this.link?.refresh() });
    this.notices = element('div', { class: 'theatre-notices' });
    this.stage = element('div', { class: 'stage', 'data-testid': 'stage' }, this.screen.root, this.notices);
    this.stage.addEventListener('click', (event) => event.target === this.screen.canvas && this.toggle());
    this.deck = element('div', { class: 'deck watch-deck' });
    this.main = element('div', { class: 'theatre-main' }, this.stage, this.deck);
    this.help = helpDialog();
    this.root = element('div', { class: 'theatre' }, this.main, this.panel.root, this.help);
    this.listening = new AbortController();
    addEventListener('keydown', (event) => this.onKeyDown(event), { signal: this.listening.signal });
  }

  open() {
    this.notices.replaceChildren();
    this.screen.cover(element('p', { role: 'status' }, 'Opening the session'));
    this.deck.inert = true;
    this.link = new PlayerLink(this.id, {
      onSession: (session) => this.setUp(session),
      onOpened: (opened) => this.onOpened(opened),
      onFrame: (shown) => this.onFrame(shown),
      onBusy: (playhead, target) => this.showSeeking(playhead, target),
      onTickFailed: (tick, detail) => this.show(noticeOf('simulation_failed', { title: `The game failed at tick ${tick}`, detail })),
      onNews: (news) => this.onNews(news),
      onFailed: (code, detail) => this.onFailed(code, detail),
    });
  }

  /** @param {Session} session */
  setUp(session) {
    this.root.classList.remove('bare');
    const isFirst = this.session === null;
    this.session = session;
    this.panel.showSession(session);
    this.panel.showVerdict(null, session);
    this.setContext(titleOf(session), session.session);
    const { width, height } = session.picture ?? { width: 160, height: 160 };
    this.screen.setSize(width, height);
    if (isFirst) this.layOutDeck(session);
  }

  /** @param {Session} session */
  layOutDeck(session) {
    const { rate, console, columns, participants } = session;
    this.scrub = new ScrubBar({ rate, onSeek: (tick) => this.goToTick(tick) });
    this.transport = new Transport(rate, {
      toggle: () => this.toggle(),
      step: (ticks) => this.step(ticks),
      rate: (wanted) => this.setRate(wanted),
      goTo: (tick) => this.goToTick(tick),
      fullscreen: () => void this.goFullscreen(),
      help: () => this.help.showModal(),
    });
    this.legend = new MarkLegend(console, (marks) => this.scrub?.setEvents(marks, this.keyframes ?? []));
    this.pads = new Pads(columns, participants);
    this.panel.pads.replaceChildren(this.pads.root);
    this.deck.replaceChildren(this.scrub.root, this.transport.root, this.legend.root);
    this.lastTick = session.ticks;
    this.showPlace();
  }

  /** @param {Opened} opened */
  onOpened(opened) {
    this.screen.cover();
    this.deck.inert = false;
    this.takeOver(opened);
    this.seek(this.startTick ?? this.playhead);
    this.startTick = null;
    cancelAnimationFrame(this.frameRequest ?? 0);
    this.before = performance.now();
    const frame = (/** @type {number} */ now) => {
      this.frameRequest = requestAnimationFrame(frame);
      this.advance(now);
    };
    this.frameRequest = requestAnimationFrame(frame);
    this.refreshLater();
  }

  /** @param {Opened} opened */
  takeOver({ marks, keyframes, verdict, lastTick }) {
    if (!this.session) return;
    this.lastTick = lastTick;
    this.verdict = verdict;
    this.keyframes = keyframes.map(({ tick }) => tick);
    this.scrub?.setLength(lastTick);
    const key = `${marks.length} ${keyframes.length}`;
    if (key !== this.shownEvents) this.legend?.set(marks, this.session.marks);
    this.shownEvents = key;
    this.panel.showVerdict(verdict, this.session);
    this.showPlace();
  }

  /** @param {News | null} news */
  onNews(news) {
    if (this.isClosed) return;
    if (news) {
      this.session = news.session;
      this.panel.showSession(news.session);
      this.takeOver(news);
      this.showCompared(news);
    }
    this.refreshLater();
  }

  refreshLater() {
    clearTimeout(this.refreshTimer);
    const isGrowing = this.session?.state === 'recording' || this.session?.state === 'interrupted';
    const isAwaited = this.session?.state === 'ended' && this.verdict === null && this.verdictTries++ < VERDICT_TRIES_MAX;
    if (isGrowing || isAwaited) this.refreshTimer = setTimeout(() => this.link?.refresh(), REFRESH_MILLIS);
  }

  /** @param {Shown} shown */
  onFrame(shown) {
    this.playhead = shown.playhead;
    if (shown.picture) this.screen.draw(shown.picture);
    this.pads?.show(shown.rows);
    this.showCompared(shown);
    this.showPlace();
    this.scrub?.root.classList.remove('seeking');
    // At the end of a session under way, playing means to wait for more.
    const waits = this.rate > 0 && this.session?.state === 'recording';
    if (shown.ended && this.isPlaying && !waits) this.setPlaying(false);
    if (!this.isPlaying) this.hashSoon();
  }

  /** @param {import('./player_link.js').Compared} compared */
  showCompared({ compared, from_keyframe, recorded, mismatch }) {
    this.compared = { compared, from_keyframe, recorded, mismatch };
    if (this.session) this.panel.showCompared(this.compared, this.session);
  }

  /** @param {number} playhead @param {number} target */
  showSeeking(playhead, target) {
    this.scrub?.root.classList.toggle('seeking', playhead !== target);
  }

  /** @param {number} now */
  advance(now) {
    const millis = Math.min(now - (this.before ?? now), FRAME_MILLIS_MAX);
    this.owed = Math.min((this.owed ?? 0) + millis, FRAME_MILLIS_MAX);
    this.before = now;
    if (!this.isPlaying) this.owed = 0;
    if (!this.isPlaying || !this.link || this.link.isBusy) return;
    this.link.advance(this.owed, this.rate);
    this.owed = 0;
  }

  /** @param {number} tick */
  seek(tick) {
    const within = Math.max(0, Math.min(this.lastTick, Math.round(tick)));
    this.playhead = within;
    this.link?.seek(within);
    this.showPlace();
  }

  /** @param {number} tick */
  goToTick(tick) {
    this.forgetHash();
    this.seek(tick);
  }

  /** @param {number} ticks */
  step(ticks) {
    this.setPlaying(false);
    this.goToTick(this.playhead + ticks);
  }

  /** @param {number} seconds */
  jump(seconds) {
    if (this.session) this.goToTick(this.playhead + Math.sign(seconds) * tickAt(Math.abs(seconds), this.session.rate));
  }

  toggle() {
    if (!this.isPlaying && this.rate > 0 && this.playhead >= this.lastTick && this.session?.state !== 'recording') this.seek(0);
    if (!this.isPlaying && this.rate < 0 && this.playhead === 0) this.rate = 1;
    this.setPlaying(!this.isPlaying);
  }

  /** @param {boolean} isPlaying */
  setPlaying(isPlaying) {
    this.isPlaying = isPlaying && this.link?.isOpen === true;
    this.transport?.showPlaying(this.isPlaying, this.rate);
    if (this.isPlaying) this.forgetHash();
    else this.hashSoon();
  }

  forgetHash() {
    this.hashed = -1;
    this.panel.showStateHash(null);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.transport?.showPlaying(this.isPlaying, rate);
  }

  /** J and L: the first press plays in that direction, the next ones faster. @param {1 | -1} direction */
  shuttle(direction) {
    const isSame = this.isPlaying && Math.sign(this.rate) === direction;
    this.setRate(direction * (isSame ? nextSpeed(this.rate, 1) : 1));
    this.setPlaying(true);
  }

  /** A hash is worth its time only where somebody stays. */
  hashSoon() {
    clearTimeout(this.hashTimer);
    this.hashTimer = setTimeout(() => void this.showHash(), HASH_WAIT_MILLIS);
  }

  async showHash() {
    const { link, playhead } = this;
    if (this.isPlaying || !link?.isOpen || link.isBusy || link.isClosed || this.hashed === playhead) return;
    this.hashed = playhead;
    const hash = await link.hashAt(playhead).catch(() => null);
    if (!this.isPlaying && this.playhead === playhead && !this.isClosed) this.panel.showStateHash(hash);
  }

  /** @param {number} tick */
  async hashAt(tick) {
    this.setPlaying(false);
    if (!this.link) throw new Error('the session is not open');
    return this.link.hashAt(tick);
  }

  showPlace() {
    this.scrub?.setLength(this.lastTick);
    this.scrub?.setPlayhead(this.playhead);
    this.transport?.showPlace(this.playhead, this.lastTick);
  }

  share() {
    const address = new URL(location.href);
    address.hash = `#/session/${this.id}?t=${this.playhead}`;
    const at = this.session ? clock(this.playhead, this.session.rate) : '';
    void copy(address.href, `Link to ${at} copied`);
  }

  async goFullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.main.requestFullscreen().catch(() => {});
  }

  /** @param {string} code @param {string} detail */
  onFailed(code, detail) {
    this.isPlaying = false;
    this.transport?.showPlaying(false, this.rate);
    this.screen.cover();
    this.deck.inert = true;
    this.startTick = this.playhead;
    const again = { label: 'Load it again', id: 'again', run: () => this.open() };
    const library = { label: code === 'module_missing' ? 'Upload it in the library' : 'Go to the library', id: 'to-library', run: () => void (location.hash = '#/') };
    const isHopeless = code === 'unknown_session' || code === 'bad_request';
    this.root.classList.toggle('bare', this.session === null);
    this.show(noticeOf(code, { detail, actions: isHopeless ? [library] : [again, library] }));
    if (this.session && this.verdict === null) void this.loadVerdict(this.session);
  }

  /** The server's verdict is worth knowing also where nothing can be played. @param {Session} session */
  async loadVerdict(session) {
    const known = await api.keyframes(session.session).catch(() => null);
    if (known && !this.isClosed) this.panel.showVerdict(known.verdict, session);
  }

  /** @param {Notice} notice */
  show(notice) {
    // Where nothing else is shown, the message stays.
    const close = this.session ? () => this.notices.replaceChildren() : undefined;
    this.notices.replaceChildren(noticeElement(notice, close));
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (isTyping(event.target) || event.ctrlKey || event.altKey || event.metaKey || this.help.open) return;
    // A focused button keeps the keys that press it.
    if (event.target instanceof HTMLButtonElement && (event.key === ' ' || event.key === 'Enter')) return;
    const run = this.keyAction(event);
    if (!run) return;
    event.preventDefault();
    run();
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | undefined} */
  keyAction({ key, shiftKey }) {
    if (/^[0-9]$/.test(key)) return () => this.goToTick((this.lastTick * Number(key)) / 10);
    const mark = (/** @type {1 | -1} */ direction) => () => {
      const tick = this.legend?.beside(this.playhead, direction);
      if (tick !== undefined) this.goToTick(tick);
    };
    const seconds = shiftKey ? 10 : 1;
    /** @type {Record<string, () => void>} */
    const actions = {
      ' ': () => this.toggle(),
      k: () => this.toggle(),
      j: () => this.shuttle(-1),
      l: () => this.shuttle(1),
      '<': () => this.setRate(Math.sign(this.rate) * nextSpeed(this.rate, -1)),
      '>': () => this.setRate(Math.sign(this.rate) * nextSpeed(this.rate, 1)),
      ArrowLeft: () => this.jump(-seconds),
      ArrowRight: () => this.jump(seconds),
      ',': () => this.step(-1),
      '.': () => this.step(1),
      PageUp: () => this.jump(10),
      PageDown: () => this.jump(-10),
      Home: () => this.goToTick(0),
      End: () => this.goToTick(this.lastTick),
      '[': mark(-1),
      ']': mark(1),
      g: () => this.transport?.time.input.focus(),
      u: () => this.share(),
      f: () => void this.goFullscreen(),
      '?': () => this.help.showModal(),
    };
    return actions[key.length === 1 ? key.toLowerCase() : key];
  }

  /** A link into the session that is already open. @param {URLSearchParams} parameters */
  goTo(parameters) {
    const tick = tickOf(parameters);
    if (tick !== null) this.goToTick(tick);
    return true;
  }

  state() {
    const { id, playhead, lastTick, isPlaying, rate, compared, verdict } = this;
    return { session: id, playhead, lastTick, playing: isPlaying, rate, compared, verdict, seeking: this.link?.seeking ?? null };
  }

  close() {
    this.isClosed = true;
    this.listening.abort();
    clearTimeout(this.hashTimer);
    clearTimeout(this.refreshTimer);
    cancelAnimationFrame(this.frameRequest ?? 0);
    this.link?.close();
    this.screen.close();
    this.scrub?.close();
  }
}

/** @param {URLSearchParams} parameters */
function tickOf(parameters) {
  const text = parameters.get('t') ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : null;
}
