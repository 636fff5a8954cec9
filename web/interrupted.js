import * as api from './api.js';
import { forgetKey, keptOf } from './kept_keys.js';
import { lastHashByReplay } from './last_hash.js';
import { Recorder, endReason } from './recorder.js';

/**
 * @typedef {import('./kept_keys.js').Kept} Kept
 * @typedef {import('./types.js').Session} Session
 */

/** A recording of a module that this tab began and did not end. @param {string} module @returns {Promise<{kept: Kept, session: Session} | null>} */
export async function interruptedOf(module) {
  const kept = keptOf(module);
  if (!kept) return null;
  const session = await api.session(kept.session).catch(() => null);
  if (session?.state === 'ended') forgetKey(kept.session);
  return session?.state === 'interrupted' ? { kept, session } : null;
}

/** Ends a recording where the server has it up to. @param {Kept} kept @returns {Promise<Recorder>} rejected with a notice */
export function endInterrupted(kept) {
  return new Promise((resolve, reject) => {
    const recorder = new Recorder({
      address: api.recordAddress(),
      start: { module: kept.module, seed: '0', hash_every: 0 },
      resume: kept,
      onReady: () => void finish(),
      onChange() {
        if (recorder.connection === 'ended') resolve(recorder);
        else if (recorder.connection === 'refused') reject(recorder.notice);
      },
    });
    async function finish() {
      const hash = recorder.nextTick > 0 ? await lastHashByReplay(recorder) : null;
      if (hash !== null) recorder.addHash(hash);
      recorder.end(endReason.stopped());
    }
  });
}
