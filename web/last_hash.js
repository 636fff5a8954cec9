import { PlayerLink } from './player_link.js';

/** @typedef {import('./recorder.js').Recorder} Recorder */

const WAIT_MILLIS = 200;
const WAITS_MAX = 100;

/**
 * The hash of the state at a recorder's next tick, when the game that had it is gone: the server's inputs are
 * played again, once all of them are acknowledged. Null if that does not come about.
 * @param {Recorder} recorder @returns {Promise<string | null>}
 */
export async function lastHashByReplay(recorder) {
  for (let waits = 0; recorder.acknowledged < recorder.nextTick; waits++) {
    if (waits === WAITS_MAX || !recorder.isOpen) return null;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MILLIS));
  }
  const link = new PlayerLink(recorder.session, {});
  try {
    return await link.hashAt(recorder.nextTick);
  } catch {
    return null;
  } finally {
    link.close();
  }
}
