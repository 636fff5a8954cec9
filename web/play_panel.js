import { element } from './dom.js';
import { keyName } from './keys.js';

/** @typedef {import('./types.js').Module} Module */
/** @typedef {import('./keys.js').Layout} Layout */

/** Who plays, with which keys. */
export class PlayPanel {
  /** @param {Module} module @param {() => void} onChange */
  constructor(module, onChange) {
    this.module = module;
    this.second = checkbox('Second player on this keyboard', 'second-player', false, onChange);
    this.botsOn = checkbox('Bots for everybody else', 'bots', true, onChange);
    this.seedField = element('input', { class: 'field seed', inputmode: 'numeric', placeholder: 'random', 'aria-label': 'Seed', 'data-testid': 'seed', maxlength: 20 });
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

  /** A seed as the service wants it: that of the field, or one of chance. */
  seed() {
    const typed = this.seedField.value.trim();
    if (/^\d{1,20}$/.test(typed) && BigInt(typed) < 1n << 64n) return typed;
    return String(crypto.getRandomValues(new Uint32Array(1))[0]);
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
        element('label', { class: 'labelled' }, element('span', {}, 'Seed'), this.seedField),
      ),
      element('section', {}, element('h2', {}, 'Keys'), this.keys),
      element('section', {}, element('h2', {}, 'Inputs'), pads),
    ];
  }

  /** @param {Layout[]} layouts */
  showKeys(layouts) {
    this.keys.replaceChildren(...layouts.flatMap((seat) => this.seatKeys(seat, layouts.length > 1)));
  }

  /** @param {Layout} seat @param {boolean} isNamed */
  seatKeys({ participant, bindings, pointer, unmapped }, isNamed) {
    const list = element('dl', { class: 'key-list' });
    const moves = bindings.filter(({ name, keys }) => isWay(name) && keys.length > 0);
    if (moves.length > 0) list.append(keyRow('move', moves.flatMap(({ keys }) => keys.slice(0, 1)), moves.flatMap(({ keys }) => keys.slice(1, 2))));
    for (const { name, keys } of bindings) {
      if (!isWay(name)) list.append(keyRow(name.toLowerCase(), keys));
    }
    if (pointer) list.append(wordsRow('mouse', 'over the picture'));
    for (const name of unmapped) list.append(wordsRow(name, 'stays 0'));
    return [isNamed ? element('h3', {}, `Player ${participant + 1}`) : null, list].filter((part) => part !== null);
  }
}

/** @param {string} name */
function isWay(name) {
  return ['UP', 'DOWN', 'LEFT', 'RIGHT'].includes(name);
}

/** @param {string} does @param {...string[]} groups of keys, each as good as the others */
function keyRow(does, ...groups) {
  const shown = groups.filter((keys) => keys.length > 0);
  const keys = shown.flatMap((group, n) => [n > 0 ? element('span', { class: 'or' }, 'or') : null, ...group.map((code) => element('kbd', {}, keyName(code)))]);
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
