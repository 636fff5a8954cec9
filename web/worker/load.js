import * as api from '../api.js';
import { Failure } from '../failure.js';
import { createSimulation, SimulationFailure } from '../sim/simulation.js';

/** @typedef {import('../types.js').Session} Session */

const COMPILED_MAX = 8;
/** @type {Map<string, WebAssembly.Module>} */
const compiled = new Map();

/** The rewritten module of a session, compiled. @param {Session} session */
export async function compileModule(session) {
  const { rewritten, obstacle, module } = session.simulation;
  if (rewritten === null || rewritten === undefined) {
    if (module === null) throw new Failure('cannot_run', 'It was recorded by a native program, which a browser does not have.');
    // The obstacle may name the module itself.
    throw new Failure('module_missing', obstacle?.includes(module) ? obstacle : `${obstacle ? `${obstacle}: ` : ''}module ${module}`);
  }
  const known = compiled.get(rewritten);
  if (known) return known;
  const bytes = await api.blob(rewritten);
  const made = await compileBytes(bytes);
  const oldest = compiled.keys().next();
  if (compiled.size >= COMPILED_MAX && !oldest.done) compiled.delete(oldest.value);
  compiled.set(rewritten, made);
  return made;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function compileBytes(bytes) {
  if (typeof WebAssembly !== 'object') throw new Failure('wasm_refused', 'WebAssembly is switched off.');
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new Failure('wasm_refused', error instanceof Error ? error.message : String(error));
  }
}

/** A simulation at tick 0 of a session. @param {Session & {bot?: boolean}} session @param {WebAssembly.Module} wasm */
export async function startSimulation(session, wasm) {
  const { limits } = session.simulation;
  if (limits === null) throw new Failure('cannot_run', 'The session names no limits.');
  try {
    return await createSimulation({ wasm, session: { ...session, simulation: { ...session.simulation, limits } } });
  } catch (error) {
    if (error instanceof SimulationFailure) throw new Failure('simulation_failed', `Before tick 0: ${error.message}.`);
    throw error;
  }
}

/** An error as it can be handed to the page. @param {unknown} error */
export function portable(error) {
  const code = error instanceof Failure || error instanceof api.ApiError ? error.code : 'unexpected';
  const detail = error instanceof Failure || error instanceof api.ApiError ? error.detail : String(error);
  return { code, detail };
}
