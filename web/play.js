import * as api from './api.js';
import { button, element, isTyping, setIcon } from './dom.js';
import { grouped, titleOf } from './format.js';
import { Failure } from './failure.js';
import { readGamepads } from './gamepads.js';
import { endInterrupted, interruptedOf } from './interrupted.js';
import { forgetKey } from './kept_keys.js';
import { Controls, layoutsFor } from './keys.js';
import { LiveSession } from './live_session.js';
import { explain, noticeElement, toast } from './notice.js';
import { Pads } from './pads.js';
import { requestPicture, stopPictures } from './pictures.js';
import { keptTo, keptWords, playCover } from './play_cover.js';
import { PlayPanel } from './play_panel.js';
import { RecordingStatus } from './recording_status.js';
import { Screen } from './screen.js';
import { offerTouch } from './touch.js';

/**
 * @typedef {import('./types.js').Module} Module
 * @typedef {import('./notice.js').Notice} Notice
 * @typedef {import('./notice.js').Action} Action
 * @typedef {'loading' | 'ready' | import('./live_session.js').LivePhase} Phase
 */

const SESSIONS_LOOKED_AT = 50;

/** Plays a game, and records it while it is played. */
export class PlayView {
  name = 'play';

  /** @param {string} hash the module @param {(name: string, more?: string) => void} setContext */
  constructor(hash, setContext) {
    this.hash = hash;
    this.setContext = setContext;
    /** How it stands before a game has begun. @type {'loading' | 'ready' | 'failed'} */
    this.before = 'loading';
    /** @type {Module | null} */
    this.module = null;
    /** The game that is played or was played last. @type {LiveSession | null} */
    this.life = null;
    /** @type {Controls | null} */
    this.controls = null;
    /** @type {Pads | null} */
    this.pads = null;
    this.wantsWatching = false;
    this.isClosed = false;
    /** @type {Notice | null} */
    this.shownNotice = null;
    this.shownKey = '';

    this.screen = new Screen();
    this.status = new RecordingStatus();
    this.notices = element('div', { class: 'theatre-notices' });
    this.side = element('aside', { class: 'theatre-side', 'aria-label': 'Keys and recording' });
    this.pauseButton = button('Pause', { id: 'pause', icon: 'pause', kind: 'icon' }, () => this.togglePause());
    this.fullscreen = button('Fullscreen', { id: 'fullscreen', icon: 'fullscreen', kind: 'icon' }, () => void this.goFullscreen());
    this.endButton = button('End', { id: 'end', kind: 'primary', title: 'End the recording (Escape)' }, () => this.end());
    this.endButton.append(element('kbd', { class: 'on-dark' }, 'Esc'));
    this.stage = element('div', { class: 'stage', tabindex: -1, 'data-testid': 'stage' }, this.screen.root, this.notices);
    this.deck = element('div', { class: 'deck play-deck' }, this.status.root, element('div', { class: 'deck-tools' }, this.pauseButton, this.fullscreen, this.endButton));
    this.main = element('div', { class: 'theatre-main' }, this.stage, this.deck);
    this.root = element('div', { class: 'theatre' }, this.main, this.side);
    this.listen();
    this.showPhase();
  }

  listen() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    addEventListener('keydown', (event) => this.onKeyDown(event), { signal });
    addEventListener('keyup', (event) => this.onKeyUp(event), { signal });
    addEventListener('blur', () => this.controls?.releaseAll(), { signal });
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.pause(), { signal });
    const canvas = this.screen.canvas;
    const point = (/** @type {PointerEvent} */ event) => {
      // A button that is let go outside the picture is let go all the same.
      if (event.type === 'pointerdown') canvas.setPointerCapture(event.pointerId);
      this.controls?.point(this.screen.pointAt(event), event.type === 'pointercancel' ? 0 : event.buttons);
    };
    for (const type of /** @type {const} */ (['pointermove', 'pointerdown', 'pointerup', 'pointercancel'])) canvas.addEventListener(type, point, { signal });
    // Whoever clicks a control goes on with the game's keys.
    this.root.addEventListener('click', ({ detail }) => detail > 0 && this.phase === 'playing' && this.stage.focus({ preventScroll: true }), { signal });
    canvas.addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
  }

  async open() {
    try {
      const module = (await api.modules()).find((other) => other.module === this.hash);
      if (!module) throw new Failure('unknown_module', `Module ${this.hash}`);
      if (this.isClosed) return;
      this.setUp(module);
    } catch (error) {
      this.fail(explain(error, { actions: [this.toLibrary()] }));
    }
  }

  /** @param {Module} module */
  setUp(module) {
    this.module = module;
    this.setContext(titleOf(module), 'play');
    const { width, height } = module.picture ?? { width: 160, height: 160 };
    this.screen.setSize(width, height);
    this.panel = new PlayPanel(module, () => this.applySeats());
    this.pads = new Pads(module.columns, module.participants);
    this.side.replaceChildren(...this.panel.sections(this.pads.root));
    this.applySeats();
    this.before = 'ready';
    this.showPhase();
    void this.showLastPicture();
    void this.offerInterrupted();
  }

  /** A reload cuts a recording off, and leaves this tab its key. */
  async offerInterrupted() {
    const found = await interruptedOf(this.hash);
    if (!found || this.phase !== 'ready' || this.isClosed) return;
    const { kept, session } = found;
    const leave = () => {
      forgetKey(kept.session);
      this.hideNotice();
    };
    const end = async () => {
      this.hideNotice();
      const failed = await endInterrupted(kept).then(() => toast('Recording ended'), (notice) => notice);
      if (failed && this.phase === 'ready' && !this.isClosed) this.show(failed);
    };
    this.shownKey = 'interrupted';
    this.show({
      code: 'interrupted',
      tone: 'warn',
      title: `A recording was interrupted at tick ${grouped(session.ticks)}`,
      kept: keptTo(session.ticks, session.rate),
      advice: 'End it there, so that the server verifies it, or leave it as it is.',
      actions: [{ label: 'End it there', id: 'end-interrupted', run: () => void end() }, { label: 'Leave it', id: 'leave-interrupted', run: leave }],
    });
  }

  /** What the game looks like, from the newest session of it, until there is a picture of its own. */
  async showLastPicture() {
    const page = await api.sessions({ limit: SESSIONS_LOOKED_AT }).catch(() => null);
    const newest = page?.sessions.find(({ module, ticks }) => module === this.hash && ticks > 0);
    if (!newest || this.phase !== 'ready') return;
    requestPicture(newest.session, (frame) => {
      if (frame && this.phase === 'ready') this.screen.draw(frame);
    });
  }

  /** Who plays is taken over at once, also in the midst of a game. */
  applySeats() {
    if (!this.module || !this.panel) return;
    const layouts = layoutsFor(this.module, this.panel.players);
    const pointer = this.controls?.pointer;
    this.controls = new Controls(this.module, layouts);
    if (pointer) this.controls.pointer = pointer;
    this.panel.showKeys(layouts);
    offerTouch(this.stage, this.controls);
    this.stage.classList.toggle('pointed', layouts.some(({ pointer }) => pointer !== null));
    for (let participant = 0; participant < this.module.participants; participant++) {
      const bots = this.panel.bots.includes(participant);
      this.pads?.name(participant, participant < this.panel.players ? `P${participant + 1} you` : `P${participant + 1}${bots ? ' bot' : ''}`);
    }
  }

  /** Begins a game, and leaves the one before. */
  begin() {
    if (!this.module || !this.panel) return;
    const seed = this.panel.seed();
    if (seed === null) return;
    stopPictures();
    this.life?.leave();
    this.wantsWatching = false;
    this.life = new LiveSession({
      module: this.module,
      seed,
      handlers: {
        takeInputs: () => this.takeInputs(),
        onPhase: () => this.onPhase(),
        onChange: () => this.onChange(),
        onPicture: (picture) => this.screen.draw(picture),
        onRows: (rows) => this.pads?.show(rows),
      },
    });
    this.onPhase();
    this.onChange();
    this.stage.focus({ preventScroll: true });
  }

  takeInputs() {
    const { controls, panel } = this;
    if (!controls || !panel) return { rows: [], bots: [] };
    readGamepads(controls);
    return { rows: controls.take(), bots: panel.bots };
  }

  /** @returns {Phase} */
  get phase() {
    return this.life?.phase ?? this.before;
  }

  get recorder() {
    return this.life?.recorder ?? null;
  }

  get session() {
    return this.life?.session ?? null;
  }

  onPhase() {
    if (this.phase === 'left') this.life = null;
    if (this.phase !== 'playing') this.controls?.releaseAll();
    this.showPhase();
    this.onChange();
    if (this.phase === 'ended' && this.wantsWatching) this.watch();
  }

  onChange() {
    this.showStatus();
    this.showNotice();
  }

  end() {
    this.life?.end();
  }

  pause() {
    this.life?.pause();
  }

  resume() {
    this.life?.resume();
    this.stage.focus({ preventScroll: true });
  }

  togglePause() {
    if (this.phase === 'paused') this.resume();
    else this.pause();
  }

  /** What there is to say of a game; said again when it has ended, as then it is known what is kept. */
  showNotice() {
    const { life } = this;
    const notice = life?.notice ?? null;
    const isOver = life?.recorder.isOver === true;
    const key = notice ? `${notice.code} ${isOver}` : '';
    if (this.before === 'failed' || key === this.shownKey) return;
    this.shownKey = key;
    if (notice) this.show({ ...notice, kept: this.keptText(), actions: this.noticeActions() });
    else this.hideNotice();
  }

  /** @returns {Action[]} */
  noticeActions() {
    if (this.phase === 'failed') return this.afterwards();
    return this.life?.problem ? [] : [this.resumeAction()];
  }

  keptText() {
    return this.recorder && this.session ? keptWords(this.recorder, this.session.rate) : '';
  }

  /** @returns {Action} */
  resumeAction() {
    return { label: this.recorder?.key ? 'Resume now' : 'Try now', id: 'resume', run: () => this.recorder?.resumeNow() };
  }

  /** @returns {Action[]} */
  afterwards() {
    const { recorder } = this;
    const actions = [];
    if (recorder && recorder.acknowledged > 0 && !recorder.isLost) actions.push({ label: 'Watch it', id: 'watch', primary: true, run: () => this.watch() });
    if (this.module) actions.push({ label: 'Play again', id: 'again', run: () => this.begin() });
    return actions.length > 0 ? actions : [this.toLibrary()];
  }

  /** @returns {Action} */
  toLibrary() {
    return { label: 'Go to the library', id: 'to-library', run: () => void (location.hash = '#/') };
  }

  watch() {
    const { recorder } = this;
    if (!recorder) return;
    if (recorder.connection === 'ended' || recorder.connection === 'refused') location.hash = `#/session/${recorder.session}`;
    else this.wantsWatching = true;
  }

  /** @param {Notice} notice */
  fail(notice) {
    this.before = 'failed';
    this.show(notice);
    this.showPhase();
  }

  /** @param {Notice} notice */
  show(notice) {
    this.shownNotice = notice;
    this.notices.replaceChildren(noticeElement(notice));
  }

  hideNotice() {
    this.shownNotice = null;
    this.notices.replaceChildren();
  }

  showStatus() {
    this.status.show(this.recorder, this.session, this.phase);
  }

  showPhase() {
    const { phase } = this;
    this.root.dataset.phase = phase;
    const isRunning = phase === 'playing' || phase === 'paused';
    this.pauseButton.disabled = !isRunning;
    this.pauseButton.setAttribute('aria-label', phase === 'paused' ? 'Go on' : 'Pause');
    setIcon(this.pauseButton, phase === 'paused' ? 'play' : 'pause');
    this.endButton.disabled = !isRunning && phase !== 'connecting';
    this.panel?.showSeed(this.life);
    this.showStatus();
    this.screen.cover(...playCover(this));
  }

  async goFullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.main.requestFullscreen().catch(() => {});
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (isTyping(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
    // A focused control keeps the keys that press it.
    if (event.target instanceof HTMLElement && event.target.matches('button, a, input') && ['Space', 'Enter'].includes(event.code)) return;
    if (event.code === 'Escape' && this.phase !== 'ready') this.end();
    else if (this.phase === 'paused' && event.code === 'KeyP') this.resume();
    else if (this.phase !== 'playing') return;
    else if (this.controls?.knows(event.code)) this.controls.press(event.code);
    else if (event.code === 'KeyP') this.pause();
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  onKeyUp(event) {
    if (!this.controls?.held.has(event.code)) return;
    this.controls.release(event.code);
    event.preventDefault();
  }

  state() {
    const { recorder } = this;
    return {
      module: this.hash,
      session: recorder?.session ?? null,
      tick: recorder?.nextTick ?? 0,
      playing: this.phase === 'playing',
      phase: this.phase,
      recording: recorder && {
        next_tick: recorder.nextTick,
        acknowledged: recorder.acknowledged,
        connection: recorder.connection,
        latency_millis: recorder.latencyMillis,
        notice: this.shownNotice?.code ?? null,
      },
    };
  }

  close() {
    this.isClosed = true;
    this.listening?.abort();
    this.life?.leave();
    this.screen.close();
  }
}
