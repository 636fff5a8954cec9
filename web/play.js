import * as api from './api.js';
import { button, element, isTyping, setIcon } from './dom.js';
import { titleOf } from './format.js';
import { Failure } from './failure.js';
import { GameLink } from './game_link.js';
import { readGamepads } from './gamepads.js';
import { Controls, layoutsFor } from './keys.js';
import { lastHashByReplay } from './last_hash.js';
import { explain, noticeElement, noticeOf } from './notice.js';
import { Pads } from './pads.js';
import { GamePace } from './pace.js';
import { requestPicture, stopPictures } from './pictures.js';
import { keptWords, playCover } from './play_cover.js';
import { PlayPanel } from './play_panel.js';
import { Recorder, endReason } from './recorder.js';
import { RecordingStatus } from './recording_status.js';
import { Screen } from './screen.js';
import { offerTouch } from './touch.js';

/**
 * @typedef {import('./types.js').Module} Module
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./notice.js').Notice} Notice
 * @typedef {import('./notice.js').Action} Action
 * @typedef {import('./game_link.js').Ran} Ran
 * @typedef {'loading' | 'ready' | 'connecting' | 'playing' | 'paused' | 'ending' | 'ended' | 'failed'} Phase
 */

const HASH_EVERY = 60;
const SESSIONS_LOOKED_AT = 50;

/** Plays a game, and records it while it is played. */
export class PlayView {
  name = 'play';

  /** @param {string} hash the module @param {(name: string, more?: string) => void} setContext */
  constructor(hash, setContext) {
    this.hash = hash;
    this.setContext = setContext;
    /** @type {Phase} */
    this.phase = 'loading';
    /** @type {Module | null} */
    this.module = null;
    /** @type {Session | null} */
    this.session = null;
    /** @type {Recorder | null} */
    this.recorder = null;
    /** @type {GameLink | null} */
    this.link = null;
    /** @type {Controls | null} */
    this.controls = null;
    /** @type {GamePace | null} */
    this.pace = null;
    /** @type {Pads | null} */
    this.pads = null;
    this.hashedTick = -1;
    this.wantsWatching = false;
    this.isClosed = false;
    /** @type {Notice | null} */
    this.shownNotice = null;

    this.screen = new Screen();
    this.status = new RecordingStatus();
    this.notices = element('div', { class: 'theatre-notices' });
    this.side = element('aside', { class: 'theatre-side', 'aria-label': 'Keys and recording' });
    this.pauseButton = button('Pause', { id: 'pause', icon: 'pause', kind: 'icon' }, () => this.togglePause());
    this.fullscreen = button('Fullscreen', { id: 'fullscreen', icon: 'fullscreen', kind: 'icon' }, () => void this.goFullscreen());
    this.endButton = button('End', { id: 'end', kind: 'primary', title: 'End the recording (Escape)' }, () => void this.end());
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
    const point = (/** @type {PointerEvent} */ event) => event.pointerType !== 'touch' && this.controls?.point(this.screen.pointAt(event), event.buttons);
    for (const type of /** @type {const} */ (['pointermove', 'pointerdown', 'pointerup'])) canvas.addEventListener(type, point, { signal });
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
    this.phase = 'ready';
    this.showPhase();
    void this.showLastPicture();
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
    for (let participant = 0; participant < this.module.participants; participant++) {
      const bots = this.panel.bots.includes(participant);
      this.pads?.name(participant, participant < this.panel.players ? `P${participant + 1} you` : `P${participant + 1}${bots ? ' bot' : ''}`);
    }
  }

  /** Begins a session: the recorder first, as only it makes one. */
  begin() {
    if (!this.module || !this.panel) return;
    stopPictures();
    this.closeGame();
    this.notices.replaceChildren();
    this.shownNotice = null;
    this.hashedTick = -1;
    this.wantsWatching = false;
    this.phase = 'connecting';
    this.recorder = new Recorder({
      address: api.recordAddress(),
      start: { module: this.hash, seed: this.panel.seed(), hash_every: HASH_EVERY },
      onReady: () => void this.openGame(),
      onChange: () => this.onRecorder(),
    });
    this.showPhase();
    this.stage.focus({ preventScroll: true });
  }

  async openGame() {
    const { recorder, module } = this;
    if (!recorder || !module) return;
    try {
      this.session = await api.session(recorder.session);
    } catch (error) {
      this.endFailed(explain(error));
      return;
    }
    if (this.isClosed || this.recorder !== recorder) return;
    recorder.setRate(this.session.rate);
    this.pace = new GamePace(this.session.rate, (ticks) => this.runTicks(ticks));
    this.link = new GameLink(this.session, module.bot, {
      onOpened: (hash, picture) => {
        if (picture) this.screen.draw(picture);
        this.addHash(hash);
        this.phase = 'playing';
        this.pace?.start();
        this.showPhase();
      },
      onRan: (ran) => this.onRan(ran),
      onFailed: (code, detail) => this.onGameGone(code, detail),
    });
  }

  /** @param {number} ticks that are due @returns {number} how many were begun */
  runTicks(ticks) {
    const { link, recorder, controls, panel } = this;
    if (!link || !recorder || !controls || !panel || this.phase !== 'playing' || link.isBusy) return 0;
    const room = Math.min(ticks, recorder.room);
    readGamepads(controls);
    if (room > 0) link.run(room, controls.take(), panel.bots);
    this.showBuffer(room === 0);
    return room;
  }

  /** @param {Ran} ran */
  onRan({ ran, isOver, failed, picture, rows }) {
    const { recorder } = this;
    if (!recorder) return;
    for (const { frame, marks, hash } of ran) {
      recorder.addInputs(frame);
      this.addHash(hash);
      for (const mark of marks) recorder.addMark(mark);
    }
    if (picture) this.screen.draw(picture);
    this.pads?.show(rows);
    this.showStatus();
    if (failed) void this.endAfterFailure(failed);
    else if (isOver) void this.end(endReason.over());
    else if (this.phase === 'ending') this.onIdle?.();
  }

  /** @param {string | null} hash of the state at the next tick */
  addHash(hash) {
    if (!this.recorder || hash === null || this.hashedTick === this.recorder.nextTick) return;
    this.recorder.addHash(hash);
    this.hashedTick = this.recorder.nextTick;
  }

  /** Ends the session at the tick that was last run. */
  async end(reason = endReason.stopped()) {
    const { link, recorder } = this;
    if (!recorder || (this.phase !== 'playing' && this.phase !== 'paused' && this.phase !== 'connecting')) return;
    const hadBegun = this.phase !== 'connecting' && link !== null;
    this.stopRunning();
    if (!hadBegun && recorder.key === '') return this.backToReady();
    if (hadBegun && link) {
      if (link.isBusy) await new Promise((resolve) => (this.onIdle = () => resolve(null)));
      this.addHash(await link.finish());
    }
    recorder.end(reason);
    this.showPhase();
  }

  stopRunning() {
    this.phase = 'ending';
    this.pace?.stop();
    this.controls?.releaseAll();
    this.showPhase();
  }

  backToReady() {
    this.closeGame();
    this.hideNotice();
    this.phase = 'ready';
    this.showPhase();
  }

  /** @param {import('./worker/game.js').Failed} failed */
  async endAfterFailure(failed) {
    const { recorder } = this;
    if (!recorder) return;
    this.stopRunning();
    this.show(noticeOf('simulation_failed', { detail: `At tick ${recorder.nextTick}: ${failed.message}.`, kept: this.keptText() }));
    if (failed.kind === 'trap' && failed.trap > 0) recorder.end(endReason.trap(failed.trap, failed.frame));
    else if (failed.kind === 'game') recorder.end(endReason.game(failed.code, failed.frame));
    else await this.endWithoutGame();
  }

  /** The worker is gone, and with it the state. @param {string} code @param {string} detail */
  onGameGone(code, detail) {
    this.link = null;
    this.stopRunning();
    this.show(noticeOf(code, { detail, kept: this.keptText() }));
    void this.endWithoutGame();
  }

  /** @param {Notice} notice */
  endFailed(notice) {
    this.stopRunning();
    this.show(notice);
    this.recorder?.end(endReason.stopped());
  }

  /** The hash of the last state is computed anew, from what the server has. */
  async endWithoutGame() {
    const { recorder } = this;
    if (!recorder) return;
    if (this.hashedTick !== recorder.nextTick) this.addHash(await lastHashByReplay(recorder));
    recorder.end(endReason.stopped());
    this.onRecorder();
  }

  pause() {
    if (this.phase !== 'playing') return;
    this.phase = 'paused';
    this.pace?.stop();
    this.controls?.releaseAll();
    this.showPhase();
  }

  resume() {
    if (this.phase !== 'paused') return;
    this.phase = 'playing';
    this.pace?.start();
    this.showPhase();
    this.stage.focus({ preventScroll: true });
  }

  togglePause() {
    if (this.phase === 'paused') this.resume();
    else this.pause();
  }

  onRecorder() {
    const { recorder } = this;
    if (!recorder || this.isClosed) return;
    this.showStatus();
    if (recorder.connection === 'ended' && this.phase !== 'ended') {
      this.pace?.stop();
      this.phase = 'ended';
      if (this.shownNotice?.kept) this.show({ ...this.shownNotice, kept: this.keptText() });
      this.showPhase();
      if (this.wantsWatching) this.watch();
    } else if (recorder.connection === 'refused' && recorder.notice && this.phase !== 'failed') {
      this.stopRunning();
      this.fail({ ...recorder.notice, kept: this.keptText(), actions: this.afterwards() });
      return;
    }
    if (recorder.notice && recorder.notice.code !== this.shownNotice?.code) this.show({ ...recorder.notice, kept: this.keptText(), actions: [this.resumeAction()] });
    else if (!recorder.notice && this.isPassing()) this.hideNotice();
  }

  isPassing() {
    return this.shownNotice?.tone === 'warn' && this.shownNotice.code !== 'buffer_full';
  }

  /** @param {boolean} isFull */
  showBuffer(isFull) {
    if (isFull && this.shownNotice?.code !== 'buffer_full') {
      this.show(noticeOf('buffer_full', { tone: 'warn', kept: this.keptText(), actions: [this.resumeAction()] }));
    } else if (!isFull && this.shownNotice?.code === 'buffer_full') {
      this.hideNotice();
    }
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
    this.phase = 'failed';
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
    if (event.code === 'Escape' && this.phase !== 'ready') void this.end();
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

  /** A game that goes on elsewhere is ended properly, as far as the page still can. */
  close() {
    this.isClosed = true;
    this.listening?.abort();
    this.pace?.stop();
    this.screen.close();
    const { recorder, link } = this;
    if (recorder?.isOpen && link) {
      const leave = () => recorder.end(endReason.stopped());
      void link.finish().then((hash) => { this.addHash(hash); leave(); link.close(); });
    } else {
      this.closeGame();
    }
  }

  closeGame() {
    this.link?.close();
    this.link = null;
    this.pace?.stop();
    if (this.recorder?.connection !== 'ended') this.recorder?.close();
    this.recorder = null;
    this.session = null;
  }
}
