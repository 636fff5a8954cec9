import { element, setText } from './dom.js';
import { keyName } from './keys.js';

/** @typedef {import('./types.js').Module} Module */
/** @typedef {import('./keys.js').Layout} Layout */

const WAYS = ['UP', 'LEFT', 'DOWN', 'RIGHT'];
const KEYS_SHOWN_MAX = 3;

/** Who plays, with which keys. */
export class PlayPanel {
  /** @param {Module} module @param {() => void} onChange */
  constructor(module, onChange) {
    this.module = module;
    this.second = checkbox('Second person at this keyboard', 'second-player', false, onChange);
    this.botsOn = checkbox('Bots for everybody else', 'bots', true, onChange);
    this.seedField = element('input', { class: 'field seed', inputmode: 'numeric', placeholder: 'random', 'aria-label': 'Seed', 'data-testid': 'seed', maxlength: 20 });
    this.seedField.addEventListener('input', () => this.seedField.removeAttribute('aria-invalid'));
    this.seedUsed = element('p', { class: 'seed-used', 'data-testid': 'seed-used', hidden: true });
    this.keys = element('div', { class: 'keys', 'data-testid': 'keys' });
  }

  /** How many play at this keyboard. */
  get players() {
    return this.module.participants > 1 && this.second.input.checked ? 2 : 1;
  }

  /** Participants whom bots play. @returns {number[]} */
  get bots() {
    if (!this.module.bot || !this.botsOn.input.checked) return [];
    return Array.from({ length: this.module.participants }, (_, participant) => participant).slice(this.players);
  }

  /** A seed as the service wants it: that of the field, or one of chance; null if what was typed is none. @returns {string | null} */
  seed() {
    const typed = this.seedField.value.trim();
    if (typed === '' || !this.hasSeed) return String(crypto.getRandomValues(new Uint32Array(1))[0]);
    if (/^\d{1,20}$/.test(typed) && BigInt(typed) < 1n << 64n) return typed;
    this.seedField.setAttribute('aria-invalid', 'true');
    this.seedField.title = 'A whole number below 2 to the power of 64';
    this.seedField.focus();
    return null;
  }

  /** Carts are not given one. */
  get hasSeed() {
    return this.module.console !== 'wasm4';
  }

  /** The seed of a game, which stays as it is while the game lasts. @param {{seed: string, isOver: boolean} | null} life */
  showSeed(life) {
    this.seedField.disabled = life !== null && !life.isOver;
    this.seedUsed.hidden = life === null || !this.hasSeed;
    setText(this.seedUsed, `Seed of this game: ${life?.seed ?? ''}`);
  }

  /** @param {HTMLElement} pads */
  sections(pads) {
    const { participants, bot } = this.module;
    return [
      element(
        'section',
        {},
        element('h2', {}, 'Who plays'),
        participants > 1 ? this.second.root : null,
        participants > 1 && bot ? this.botsOn.root : null,
        this.hasSeed ? element('label', { class: 'labelled' }, element('span', {}, 'Seed'), this.seedField) : null,
        this.seedUsed,
      ),
      element('section', {}, element('h2', {}, 'Keys'), this.keys),
      element('section', {}, element('h2', {}, 'Inputs'), pads),
    ];
  }

  /** @param {Layout[]} layouts */
  showKeys(layouts) {
    const taken = layouts.some(({ bindings }) => bindings.some(({ keys }) => keys.includes('KeyP')));
    const rest = element('dl', { class: 'key-list' }, taken ? null : keyRow('pause', ['KeyP']), keyRow('end', ['Escape']));
    this.keys.replaceChildren(...layouts.flatMap((seat) => this.seatKeys(seat, layouts.length > 1)), rest);
  }

  /** @param {Layout} seat @param {boolean} isNamed */
  seatKeys({ participant, bindings, pointer }, isNamed) {
    const list = element('dl', { class: 'key-list' });
    const ways = WAYS.flatMap((way) => bindings.find(({ name }) => name === way) ?? []);
    const group = (/** @type {number} */ n) => ways.flatMap(({ keys }) => keys.slice(n, n + 1));
    if (ways.length > 0) list.append(keyRow('move', group(0), group(1)));
    for (const { name, keys } of bindings) {
      if (!WAYS.includes(name)) list.append(keyRow(name.toLowerCase(), keys.slice(0, KEYS_SHOWN_MAX)));
    }
    if (pointer) list.append(wordsRow('mouse', 'over the picture'));
    return [isNamed ? element('h3', {}, `Participant ${participant + 1}`) : null, list].filter((part) => part !== null);
  }
}

/** @param {string} does @param {...string[]} groups of keys, each as good as the others */
function keyRow(does, ...groups) {
  const shown = groups.filter((keys) => keys.length > 0);
  const keys = shown.map((group) => element('span', { class: 'key-group' }, ...group.map((code) => element('kbd', {}, keyName(code)))));
  return element('div', {}, element('dt', {}, does), element('dd', {}, ...(shown.length > 0 ? keys : ['no key'])));
}

/** @param {string} does @param {string} words */
function wordsRow(does, words) {
  return element('div', {}, element('dt', {}, does), element('dd', { class: 'words' }, words));
}

/** @param {string} label @param {string} id @param {boolean} isOn @param {() => void} onChange */
function checkbox(label, id, isOn, onChange) {
  const input = element('input', { type: 'checkbox', class: 'switch', 'data-testid': id, checked: isOn });
  input.addEventListener('change', onChange);
  return { input, root: element('label', { class: 'toggle' }, input, element('span', {}, label)) };
}
