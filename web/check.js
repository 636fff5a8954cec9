import { Failure } from './failure.js';
import { Watchdog } from './watchdog.js';

/**
 * @typedef {{tick: number, hash: string, micros_per_tick: number}} Checked the time is that of the ticks since the
 *   one before
 */

/**
 * The state hashes of a session at some ticks, computed in this browser by playing it once from tick 0. Without
 * ticks: at all for which one was recorded.
 * @param {string} session @param {number[]} [ticks]
 * @returns {Promise<Checked[]>} in order of ticks
 */
function check(session, ticks) {
  const worker = new Worker('/web/worker/check.js', { type: 'module' });
  return new Promise((resolve, reject) => {
    const end = () => {
      watchdog.rest();
      worker.terminate();
    };
    const fail = (/** @type {string} */ code, /** @type {string} */ detail) => {
      end();
      reject(new Failure(code, `${code}: ${detail}`));
    };
    const watchdog = new Watchdog(() => fail('no_answer', 'a tick took longer than 5 s'));
    worker.onerror = (event) => fail('worker_died', event.message ?? '');
    worker.onmessage = ({ data }) => {
      if (data.type === 'starting') watchdog.await();
      else if (data.type === 'busy') watchdog.reassure();
      else if (data.type === 'failed') fail(data.code, data.detail);
      else {
        end();
        resolve(data.checked);
      }
    };
    worker.postMessage({ session, ticks: ticks ?? null });
  });
}

Object.assign(globalThis, { check });

const asked = new URLSearchParams(location.search);
const session = asked.get('session');
const result = document.querySelector('#result');
if (session !== null && result) {
  const ticks = asked.get('ticks')?.split(',').map(Number);
  check(session, ticks).then(
    (checked) => (result.textContent = JSON.stringify(checked, null, 1)),
    (error) => (result.textContent = JSON.stringify({ error: error.message })),
  );
}
