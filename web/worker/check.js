// Plays a session once, as fast as it goes, and takes hashes on the way.

import * as api from '../api.js';
import { Inputs, Schema, decodeBlocks } from '../sim/inputs.js';
import { SeekError } from '../sim/player.js';
import { compileModule, portable, startSimulation } from './load.js';

/** @typedef {import('../check.js').Checked} Checked */

/** Between two signs of life. */
const TICKS_AT_ONCE = 30;

/** @param {{session: string, ticks: number[] | null}} asked @returns {Promise<Checked[]>} */
async function check({ session: id, ticks }) {
  const session = await api.session(id);
  const [wasm, bytes, hashes] = await Promise.all([compileModule(session), api.inputs(id), api.hashes(id)]);
  const timeline = decodeBlocks(new Schema(session), bytes);
  const wanted = (ticks ?? hashes.map(([tick]) => tick)).toSorted((one, other) => one - other);
  const last = wanted.at(-1) ?? 0;
  if (last > timeline.endTick) throw new SeekError(last, `the session has ${timeline.endTick} ticks`);
  postMessage({ type: 'starting' });
  const simulation = await startSimulation(session, wasm);
  const inputs = new Inputs(timeline.schema);
  /** @type {Checked[]} */
  const checked = [];
  let tick = 0;
  for (const target of wanted) {
    const from = tick;
    const begun = performance.now();
    for (; tick < target; tick++) {
      timeline.at(tick, inputs);
      simulation.step(tick, inputs);
      if (tick % TICKS_AT_ONCE === 0) postMessage({ type: 'busy' });
    }
    const micros = (performance.now() - begun) * 1000;
    checked.push({ tick, hash: simulation.hash(), micros_per_tick: tick > from ? micros / (tick - from) : 0 });
  }
  return checked;
}

addEventListener('message', ({ data }) => {
  check(data).then(
    (checked) => postMessage({ type: 'checked', checked }),
    (error) => postMessage({ type: 'failed', ...portable(error) }),
  );
});
