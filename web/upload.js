import * as api from './api.js';
import { element, setText } from './dom.js';
import { counted } from './format.js';
import { explain, noticeElement, toast } from './notice.js';

/**
 * The place where modules are handed in, by picker or by drag and drop on the whole view.
 * @param {HTMLElement} view takes drops
 * @param {HTMLElement} notices where refusals are shown
 * @param {() => void} onAdmitted
 */
export function uploadPlace(view, notices, onAdmitted) {
  const picker = element('input', { type: 'file', accept: '.wasm,application/wasm', multiple: true, hidden: true, 'data-testid': 'upload-file' });
  const title = element('strong', {}, 'Add a game');
  const place = element(
    'button',
    { type: 'button', class: 'drop', 'data-testid': 'upload' },
    element('span', {}, title, 'Drop a .wasm module here, or choose one'),
  );
  place.addEventListener('click', () => picker.click());
  picker.addEventListener('change', () => {
    void admitAll(Array.from(picker.files ?? []));
    picker.value = '';
  });
  /** @type {Element[]} */
  const refusals = [];
  acceptDrops(view, (files) => void admitAll(files));

  /** @param {File[]} files */
  async function admitAll(files) {
    place.disabled = true;
    // What was said of the files before is settled by these.
    for (const refusal of refusals.splice(0)) refusal.remove();
    let admitted = 0;
    for (const file of files) {
      setText(title, `Adding ${file.name}`);
      admitted += (await admitOne(file, notices, refusals)) ? 1 : 0;
    }
    setText(title, 'Add a game');
    place.disabled = false;
    if (admitted > 0) {
      toast(`${counted(admitted, 'game')} added`);
      onAdmitted();
    }
  }
  return element('div', { class: 'upload' }, place, picker);
}

/** @param {File} file @param {HTMLElement} notices @param {Element[]} refusals */
async function admitOne(file, notices, refusals) {
  try {
    await api.admit(file);
    return true;
  } catch (error) {
    const what = explain(error);
    const shown = noticeElement({ ...what, title: `${file.name}: ${lowerFirst(what.title)}` }, () => shown.remove());
    refusals.push(shown);
    notices.append(shown);
    return false;
  }
}

/** @param {string} text */
const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);

/** @param {HTMLElement} view @param {(files: File[]) => void} onFiles */
function acceptDrops(view, onFiles) {
  let depth = 0;
  const show = () => view.classList.toggle('dragging', depth > 0);
  view.addEventListener('dragenter', (event) => {
    event.preventDefault();
    depth += 1;
    show();
  });
  view.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    show();
  });
  view.addEventListener('dragover', (event) => event.preventDefault());
  view.addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    show();
    onFiles(Array.from(event.dataTransfer?.files ?? []));
  });
}
