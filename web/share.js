import { element } from './dom.js';
import { toast } from './notice.js';

/** @param {string} text @param {string} done what to say afterwards */
export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    // Without a secure context there is no clipboard but the old way to it.
    const field = element('textarea', { class: 'visually-hidden' }, text);
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand('copy');
    field.remove();
    toast(isCopied ? done : text);
  }
}
