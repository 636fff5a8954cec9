import { element, icon } from './dom.js';
import { LibraryView } from './library.js';
import { noticeElement, noticeOf } from './notice.js';
import { PlayView } from './play.js';
import { WatchView } from './watch.js';

/**
 * What the page shows at an address.
 * @typedef {object} View
 * @property {string} name
 * @property {HTMLElement} root
 * @property {() => Promise<void> | void} open
 * @property {() => void} close
 * @property {() => Record<string, unknown>} state
 * @property {(parameters: URLSearchParams) => boolean} [goTo] takes a new address of the same thing; false if it cannot
 * @property {(tick: number) => Promise<string>} [hashAt]
 */

const main = /** @type {HTMLElement} */ (document.querySelector('#main'));
const context = /** @type {HTMLElement} */ (document.querySelector('#context'));

/** @type {View | null} */
let current = null;
let currentPath = '';

/** @param {string} path @param {URLSearchParams} parameters @returns {View | null} */
function viewOf(path, parameters) {
  const [kind, id, ...rest] = path.split('/').filter((part) => part !== '');
  if (kind === undefined) return new LibraryView();
  if (id === undefined || rest.length > 0) return null;
  if (kind === 'session') return new WatchView(id, parameters, setContext);
  if (kind === 'play') return new PlayView(id, setContext);
  return null;
}

/** Names what is shown, in the bar and in the title. @param {string} name @param {string} [more] */
function setContext(name, more = '') {
  document.title = name === '' ? 'Reenact' : `${name} · Reenact`;
  if (name === '') context.replaceChildren();
  else context.replaceChildren(element('strong', {}, name), element('span', { class: 'bar-more' }, more));
}

function show() {
  const address = location.hash.replace(/^#/, '') || '/';
  const [path = '/', query = ''] = address.split('?', 2);
  const parameters = new URLSearchParams(query);
  if (current && path === currentPath && current.goTo?.(parameters)) return;
  current?.close();
  currentPath = path;
  setContext('');
  current = viewOf(path, parameters);
  main.replaceChildren(current ? current.root : nothingHere());
  document.body.dataset.view = current?.name ?? 'none';
  window.scrollTo(0, 0);
  void current?.open();
}

function nothingHere() {
  const back = { label: 'Go to the library', id: 'to-library', primary: true, run: () => void (location.hash = '#/') };
  return element('div', { class: 'alone' }, noticeElement(noticeOf('not_found', { actions: [back] })));
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

/** An address of its own would be another view. */
function setUpSkip() {
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
}

function setUpTheme() {
  const toggle = /** @type {HTMLElement} */ (document.querySelector('#theme'));
  toggle.append(icon('theme'));
  toggle.addEventListener('click', () => {
    const wanted = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = wanted;
    localStorage.setItem('reenact.theme', wanted);
    dispatchEvent(new Event('themechange'));
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
}

/**
 * What scripts may ask of the page; the rest is done with its controls.
 *
 * - `hashAt(session, tick)`: the state hash at a tick, computed here; it opens the session if another is shown.
 * - `state()`: what is shown, as README.md has it.
 */
const automation = {
  /** @param {string} session @param {number} tick */
  async hashAt(session, tick) {
    const path = `/session/${session}`;
    if (currentPath !== path || !current?.hashAt) {
      location.hash = `#${path}`;
      show();
    }
    if (!current?.hashAt) throw new Error(`session ${session} is not shown`);
    return current.hashAt(tick);
  },
  state() {
    return { view: current?.name ?? 'none', ...current?.state() };
  },
};

Object.assign(globalThis, { reenact: automation });
setUpSkip();
setUpTheme();
addEventListener('hashchange', show);
show();
