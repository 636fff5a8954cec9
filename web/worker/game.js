// Runs a live game: each message asks for some ticks with the inputs of this moment and is answered with what
// is to be recorded, and a picture.

import { Inputs } from '../sim/inputs.js';
import { SimulationFailure, TRAP_CLASSES } from '../sim/simulation.js';
import { compileModule, portable, startSimulation } from './load.js';

/**
 * @typedef {import('../types.js').Session} Session
 * @typedef {import('../sim/simulation.js').Simulation} Simulation
 * @typedef {{kind: number, payload: Uint8Array}} EmittedMark
 *
 * @typedef {object} RanTick
 * @property {Uint8Array} frame the inputs of the tick
 * @property {EmittedMark[]} marks that the step emitted
 * @property {string | null} hash of the state after it, where one is due
 *
 * @typedef {{kind: 'trap' | 'game' | 'limit', message: string, trap: number, code: number, frame: Uint8Array}} Failed
 *
 * @typedef {{type: 'open', session: Session, bot: boolean}
 *   | {type: 'run', ticks: number, rows: [number, number[]][], bots: number[]}
 *   | {type: 'finish'}} Asked
 */

/** @type {LiveGame | null} */
let game = null;

class LiveGame {
  /** @param {Simulation} simulation @param {Session} session */
  constructor(simulation, session) {
    this.simulation = simulation;
    this.session = session;
    this.inputs = new Inputs(simulation.schema);
    this.tick = 0;
    this.isOver = false;
    /** @type {Failed | null} */
    this.failed = null;
    this.botsFailed = false;
  }

  /** @param {number} ticks @param {[number, number[]][]} rows @param {number[]} bots */
  run(ticks, rows, bots) {
    /** @type {RanTick[]} */
    const ran = [];
    for (let n = 0; n < ticks && !this.isOver && !this.failed; n++) {
      this.setInputs(rows, bots);
      const done = this.step();
      if (done) ran.push(done);
    }
    return ran;
  }

  /** @param {[number, number[]][]} rows @param {number[]} bots */
  setInputs(rows, bots) {
    const suggested = bots.map((participant) => this.suggest(participant));
    this.inputs.clear();
    for (const [participant, values] of rows) this.inputs.set(participant, values);
    bots.forEach((participant, n) => {
      const values = suggested[n];
      if (values) this.inputs.set(participant, values);
    });
  }

  /** A bot that fails does not take part; the game goes on. @param {number} participant */
  suggest(participant) {
    if (this.botsFailed) return null;
    try {
      return this.simulation.suggest(participant);
    } catch {
      this.botsFailed = true;
      return null;
    }
  }

  /** @returns {RanTick | null} */
  step() {
    const frame = this.inputs.writeFrame(this.tick);
    try {
      const { over, marks } = this.simulation.step(this.tick, this.inputs);
      this.isOver = over;
      this.tick += 1;
      const { hash_every } = this.session;
      return { frame, marks, hash: hash_every > 0 && this.tick % hash_every === 0 ? this.simulation.hash() : null };
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      this.failed = failedOf(error, frame);
      return null;
    }
  }

  /** A picture that cannot be drawn is no reason to end a game. */
  picture() {
    try {
      return this.failed ? null : this.simulation.view();
    } catch {
      return null;
    }
  }

  rows() {
    return Array.from({ length: this.session.participants }, (_, participant) => this.inputs.get(participant));
  }
}

/** @param {SimulationFailure} failure @param {Uint8Array} frame @returns {Failed} */
function failedOf(failure, frame) {
  const trap = failure.trap === undefined ? 0 : (TRAP_CLASSES[failure.trap] ?? 0);
  return { kind: failure.kind, message: failure.message, trap, code: failure.code ?? 0, frame };
}

/** @param {Asked} asked */
async function answer(asked) {
  switch (asked.type) {
    case 'open': {
      const wasm = await compileModule(asked.session);
      postMessage({ type: 'starting' });
      game = new LiveGame(await startSimulation({ ...asked.session, bot: asked.bot }, wasm), asked.session);
      postMessage({ type: 'opened', hash: asked.session.hash_every > 0 ? game.simulation.hash() : null, picture: game.picture() });
      break;
    }
    case 'run': {
      if (!game) return;
      const ran = game.run(asked.ticks, asked.rows, asked.bots);
      const { tick, isOver, failed } = game;
      const picture = game.picture();
      const transfer = picture ? [picture.rgba.buffer] : [];
      postMessage({ type: 'ran', ran, tick, isOver, failed, picture, rows: game.rows() }, { transfer });
      break;
    }
    case 'finish': {
      if (!game) return;
      postMessage({ type: 'finished', hash: game.failed ? null : game.simulation.hash() });
      break;
    }
  }
}

addEventListener('message', ({ data }) => {
  answer(data).catch((error) => postMessage({ type: 'failed', ...portable(error) }));
});
