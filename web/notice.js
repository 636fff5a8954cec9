import { adviceFor } from './advice.js';
import { ApiError } from './api.js';
import { button, element, icon } from './dom.js';
import { Failure } from './failure.js';

/**
 * What happened, what holds nevertheless, and what can be done.
 * @typedef {object} Notice
 * @property {string} code what programs match on
 * @property {'info' | 'warn' | 'bad'} tone
 * @property {string} title what happened
 * @property {string} [detail] as the failing part put it
 * @property {string} [kept] what is not lost
 * @property {string} [advice] what to do
 * @property {Action[]} [actions]
 *
 * @typedef {{label: string, id: string, run: () => void, primary?: boolean}} Action
 */

/** @param {string} code @param {Partial<Notice>} [more] @returns {Notice} */
export function noticeOf(code, more = {}) {
  return { code, tone: 'bad', ...adviceFor(code), ...more };
}

/** @param {unknown} error @param {Partial<Notice>} [more] @returns {Notice} */
export function explain(error, more = {}) {
  if (error instanceof ApiError || error instanceof Failure) {
    return noticeOf(error.code, { detail: error.detail, ...more });
  }
  return noticeOf('unexpected', { detail: error instanceof Error ? error.message : String(error), ...more });
}

/** @param {Notice} notice @param {() => void} [onClose] adds a button that closes it */
export function noticeElement(notice, onClose) {
  const actions = (notice.actions ?? []).map(({ label, id, run, primary }) =>
    button(label, { id, kind: primary ? 'primary' : 'plain' }, run),
  );
  return element(
    'section',
    {
      class: `notice ${notice.tone}`,
      role: notice.tone === 'info' ? 'status' : 'alert',
      'data-testid': 'notice',
      'data-code': notice.code,
    },
    icon('warn'),
    element(
      'div',
      { class: 'notice-text' },
      element('h2', {}, notice.title),
      notice.detail ? element('p', { class: 'notice-detail' }, notice.detail) : null,
      notice.kept ? element('p', { class: 'notice-kept', 'data-testid': 'notice-kept' }, notice.kept) : null,
      notice.advice ? element('p', {}, notice.advice) : null,
      actions.length > 0 ? element('div', { class: 'notice-actions' }, ...actions) : null,
    ),
    onClose ? button('Close this message', { icon: 'close', kind: 'icon', id: 'notice-close' }, onClose) : null,
  );
}

/** Words that come and go at the edge of the page, for what needs no decision. @param {string} text */
export function toast(text) {
  const shelf = document.querySelector('#toasts');
  if (!shelf) return;
  const shown = element('div', { class: 'toast' }, text);
  shelf.append(shown);
  setTimeout(() => shown.remove(), 3500);
}
