// Draws one picture of a session, of a moment in which something may be going on.

import * as api from '../api.js';
import { Schema, decodeBlocks } from '../sim/inputs.js';
import { Player } from '../sim/player.js';
import { compileModule, startSimulation } from './load.js';

/** Without a keyframe nobody waits for more ticks than these. */
const TICKS_MAX = 1800;
const BUDGET_MILLIS = 1500;

/** @param {string} id */
async function pictureOf(id) {
  const session = await api.session(id);
  const [wasm, bytes, { keyframes }] = await Promise.all([compileModule(session), api.inputs(id), api.keyframes(id)]);
  const timeline = decodeBlocks(new Schema(session), bytes);
  const wanted = Math.floor(Math.min(session.ticks, timeline.endTick) * 0.4);
  const nearest = keyframes.filter(({ tick }) => tick > 0 && tick <= wanted).at(-1);
  const simulation = await startSimulation(session, wasm);
  if (nearest) {
    simulation.restore(await api.blob(nearest.state));
    return simulation.view();
  }
  const player = new Player(simulation, { timeline, lastTick: session.ticks, rate: session.rate });
  player.seekBegin(Math.min(wanted, TICKS_MAX));
  player.work(BUDGET_MILLIS);
  return simulation.view();
}

addEventListener('message', ({ data }) => {
  pictureOf(data.id).then(
    (frame) => postMessage({ frame }),
    () => postMessage({ frame: null }),
  );
});
