/**
 * The keys of recordings that are under way, kept for as long as the tab lives: whoever reloads it can still end
 * what was interrupted.
 *
 * @typedef {{session: string, key: string, module: string}} Kept
 */

const STORED_AS = 'reenact.recordings';
const KEPT_MAX = 16;

/** Sessions that this page records itself. @type {Set<string>} */
const ofThisPage = new Set();

/** @returns {Kept[]} */
function all() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED_AS) ?? '[]');
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

/** @param {Kept[]} kept */
function store(kept) {
  try {
    sessionStorage.setItem(STORED_AS, JSON.stringify(kept.slice(-KEPT_MAX)));
  } catch {
    // Without a place for it an interrupted recording stays interrupted.
  }
}

/** @param {Kept} kept */
export function keepKey(kept) {
  ofThisPage.add(kept.session);
  store([...all().filter(({ session }) => session !== kept.session), kept]);
}

/** Of a session that has ended. @param {string} session */
export function forgetKey(session) {
  ofThisPage.delete(session);
  store(all().filter((kept) => kept.session !== session));
}

/** What another page of this tab recorded of a module last and did not end. @param {string} module */
export function keptOf(module) {
  return all().findLast((kept) => kept.module === module && !ofThisPage.has(kept.session)) ?? null;
}
