import { button, element } from './dom.js';

/** @type {[string, string[]][]} */
const KEYS = [
  ['Play or pause', ['Space', 'K']],
  ['Backwards, faster backwards', ['J']],
  ['Forwards, faster forwards', ['L']],
  ['Slower, faster', ['<', '>']],
  ['One second back, forward', ['←', '→']],
  ['Ten seconds back, forward', ['Shift ←', 'Shift →', 'PgDn', 'PgUp']],
  ['One tick back, forward', [',', '.']],
  ['Start, end', ['Home', 'End']],
  ['A tenth of the session', ['0', '…', '9']],
  ['Mark before, after', ['[', ']']],
  ['Go to a time', ['G']],
  ['Copy a link to this tick', ['U']],
  ['Fullscreen', ['F']],
  ['These keys', ['?']],
];

/** The keys of the watch view, in a dialog. */
export function helpDialog() {
  const dialog = element('dialog', { class: 'sheet', 'aria-label': 'Keys', 'data-testid': 'help-dialog' });
  const rows = KEYS.map(([does, keys]) => element('div', {}, element('dt', {}, does), element('dd', {}, ...keys.map((key) => element('kbd', {}, key)))));
  dialog.append(
    element('div', { class: 'sheet-head' }, element('h2', {}, 'Keys'), button('Close', { id: 'help-close', icon: 'close', kind: 'icon' }, () => dialog.close())),
    element('dl', { class: 'key-list help' }, ...rows),
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  return dialog;
}
