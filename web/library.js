import * as api from './api.js';
import { button, element, setText } from './dom.js';
import { grouped, titleOf } from './format.js';
import { gameCard } from './game_card.js';
import { explain, noticeElement, noticeOf } from './notice.js';
import { stopPictures } from './pictures.js';
import { SessionCard } from './session_card.js';
import { uploadPlace } from './upload.js';

/** @typedef {import('./types.js').Summary} Summary */
/** @typedef {import('./types.js').Module} Module */

const PAGE = 24;
const POLL_MILLIS = 2000;
const IDLE_POLL_MILLIS = 15_000;
/** Games shown before somebody asks for all of them. */
const GAMES_FIRST = 5;

/** Games by their names, and carts, which have none, after them. @param {Module} one @param {Module} other */
function byName(one, other) {
  if ((one.game === '') !== (other.game === '')) return one.game === '' ? 1 : -1;
  return titleOf(one).localeCompare(titleOf(other));
}

/** The list of games and of sessions. */
export class LibraryView {
  name = 'library';

  constructor() {
    this.notices = element('div', { class: 'notices', 'data-testid': 'notices' });
    this.games = element('div', { class: 'games', 'data-testid': 'games' });
    this.gamesCount = element('span', { class: 'count' });
    this.filter = element('input', { class: 'field', type: 'search', placeholder: 'Find a game', 'aria-label': 'Find a game', hidden: true, 'data-testid': 'games-filter' });
    this.allGames = button('Show all', { id: 'games-all', class: 'more' }, () => this.showAllGames());
    this.sessions = element('ul', { class: 'sessions', 'data-testid': 'sessions', 'aria-busy': 'true' });
    this.sessionsCount = element('span', { class: 'count' });
    this.emptySessions = element('div', { hidden: true });
    this.more = button('Show older sessions', { id: 'sessions-more', class: 'more' }, () => void this.loadOlder());
    this.more.hidden = true;
    this.allGames.hidden = true;
    this.root = this.layOut();

    /** @type {Map<string, SessionCard>} */
    this.cards = new Map();
    /** @type {Module[]} */
    this.modules = [];
    /** @type {string | null} */
    this.next = null;
    this.isShowingAll = false;
    this.isClosed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.filter.addEventListener('input', () => this.showGames());
    this.onVisible = () => document.visibilityState === 'visible' && void this.poll();
    document.addEventListener('visibilitychange', this.onVisible);
    this.showGhosts();
  }

  layOut() {
    const root = element('div', { class: 'library' });
    const upload = uploadPlace(root, this.notices, () => void this.loadGames());
    this.upload = upload;
    this.games.append(upload);
    root.append(
      this.notices,
      element(
        'section',
        { 'aria-label': 'Games' },
        element('div', { class: 'section-head' }, element('h1', {}, 'Games'), this.gamesCount, element('span', { class: 'spring' }), this.filter),
        this.games,
        this.allGames,
      ),
      element(
        'section',
        { 'aria-label': 'Sessions' },
        element('div', { class: 'section-head' }, element('h1', {}, 'Sessions'), this.sessionsCount),
        this.sessions,
        this.emptySessions,
        this.more,
      ),
    );
    return root;
  }

  async open() {
    await Promise.all([this.loadGames(), this.poll(), this.warnIfNotReady()]);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.onVisible);
    for (const card of this.cards.values()) card.close();
    stopPictures();
  }

  state() {
    return { sessions: this.cards.size, modules: this.modules.length };
  }

  /** Boxes of the size of what is to come, so that nothing jumps. */
  showGhosts() {
    for (let count = 0; count < 4; count++) {
      this.sessions.append(
        element('li', { class: 'session ghost', 'aria-hidden': 'true' }, element('a', {}, element('div', { class: 'picture' }), element('div', {}, element('i'), element('i')))),
      );
    }
  }

  async warnIfNotReady() {
    const isReady = await api.isReady();
    this.notReady?.remove();
    this.notReady = undefined;
    if (isReady || this.isClosed) return;
    this.notReady = noticeElement(noticeOf('busy', { tone: 'warn', title: 'The server takes no recordings at the moment', advice: 'Sessions that are here can be watched. Play to try whether it takes one again.' }));
    this.notices.append(this.notReady);
  }

  async loadGames() {
    try {
      this.modules = (await api.modules()).sort(byName);
    } catch (error) {
      this.report(error);
      return;
    }
    this.showGames();
  }

  showAllGames() {
    this.isShowingAll = true;
    this.showGames();
  }

  showGames() {
    const wanted = this.filter.value.trim().toLowerCase();
    const found = this.modules.filter((module) => `${titleOf(module)} ${module.module}`.toLowerCase().includes(wanted));
    const shown = this.isShowingAll || wanted !== '' ? found : found.slice(0, GAMES_FIRST);
    const cards = shown.map((module) => gameCard(module, this.newestOf(module.module)));
    this.games.replaceChildren(...cards, ...(this.upload ? [this.upload] : []));
    this.filter.hidden = this.modules.length <= GAMES_FIRST;
    this.allGames.hidden = shown.length === found.length;
    setText(this.allGames.lastElementChild ?? this.allGames, `Show all ${grouped(found.length)} games`);
    setText(this.gamesCount, this.modules.length === 0 ? '' : grouped(this.modules.length));
  }

  /** A session that lends the game its picture. @param {string} module */
  newestOf(module) {
    for (const card of this.cards.values()) {
      if (card.summary.module === module && card.summary.ticks > 0) return card.summary;
    }
    return null;
  }

  async poll() {
    clearTimeout(this.timer);
    try {
      const page = await api.sessions({ limit: PAGE });
      if (this.isClosed) return;
      if (this.reported) void this.warnIfNotReady();
      this.clearReport();
      const hadNone = this.cards.size === 0;
      this.merge(page.sessions);
      if (hadNone) {
        this.next = page.next;
        this.showGames();
      }
      this.showState();
    } catch (error) {
      this.report(error);
    }
    if (this.isClosed || document.visibilityState === 'hidden') return;
    const isLive = Array.from(this.cards.values()).some(({ summary }) => summary.state === 'recording');
    this.timer = setTimeout(() => void this.poll(), isLive ? POLL_MILLIS : IDLE_POLL_MILLIS);
  }

  /** Puts the newest first and leaves the cards that are there in place. @param {Summary[]} newest */
  merge(newest) {
    for (const ghost of this.sessions.querySelectorAll('.ghost')) ghost.remove();
    let before = this.sessions.firstElementChild;
    for (const summary of newest) {
      const card = this.cards.get(summary.session);
      if (card) {
        card.update(summary);
        before = card.root.nextElementSibling;
      } else {
        const made = this.addCard(summary);
        this.sessions.insertBefore(made.root, before);
      }
    }
  }

  /** @param {Summary} summary */
  addCard(summary) {
    const card = new SessionCard(summary);
    this.cards.set(summary.session, card);
    return card;
  }

  async loadOlder() {
    this.more.disabled = true;
    try {
      const page = await api.sessions({ limit: PAGE, after: this.next });
      for (const summary of page.sessions) {
        if (!this.cards.has(summary.session)) this.sessions.append(this.addCard(summary).root);
      }
      this.next = page.next;
      this.showState();
    } catch (error) {
      this.report(error);
    }
    this.more.disabled = false;
  }

  showState() {
    this.sessions.setAttribute('aria-busy', 'false');
    this.more.hidden = this.next === null;
    const count = this.cards.size;
    setText(this.sessionsCount, count === 0 ? '' : grouped(count) + (this.next ? '+' : ''));
    this.sessions.hidden = count === 0;
    this.emptySessions.hidden = count > 0;
    if (count === 0) this.emptySessions.replaceChildren(this.emptyText());
  }

  emptyText() {
    const hasGames = this.modules.length > 0;
    return element(
      'div',
      { class: 'empty-frame', 'data-testid': 'sessions-empty' },
      element(
        'div',
        { class: 'empty' },
        element('h2', {}, 'No sessions yet'),
        hasGames
          ? `Play ${this.modules.length === 1 ? 'the game' : 'one of the games'} above. Every tick is recorded, and can be watched at once.`
          : 'Add a game above, then play it. Every tick is recorded, and can be watched at once.',
      ),
    );
  }

  /** @param {unknown} error */
  report(error) {
    if (this.isClosed) return;
    this.clearReport();
    const retry = { label: 'Try again', id: 'retry', run: () => void this.open() };
    this.reported = noticeElement(explain(error, { actions: [retry] }));
    this.notices.append(this.reported);
  }

  clearReport() {
    this.reported?.remove();
    this.reported = undefined;
  }
}

