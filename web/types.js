/**
 * The JSON of the service, as docs/spec/service.md has it. 64-bit numbers are decimal strings, bytes are base64.
 *
 * @typedef {{ticks: number, seconds: number}} Rate
 *
 * @typedef {object} Column
 * @property {string} name
 * @property {'buttons' | 'axis'} kind
 * @property {8 | 16 | 32} bits
 * @property {string[]} [buttons] names from bit 0 up
 *
 * @typedef {{width: number, height: number, format: 'rgba8' | 'rgb332'}} Picture
 * @typedef {{kind: number, name: string}} MarkKind
 * @typedef {'reenact1' | 'wasm4' | 'native'} Console
 *
 * @typedef {object} Module
 * @property {string} module
 * @property {Console} console
 * @property {string} game
 * @property {number} participants
 * @property {Rate} rate
 * @property {Column[]} columns
 * @property {Picture | null} picture
 * @property {boolean} bot
 * @property {MarkKind[]} marks
 * @property {number} bytes
 *
 * @typedef {{reason: 'stopped' | 'over' | 'failed' | 'truncated', detail?: string | null}} End
 *
 * @typedef {object} Summary
 * @property {string} session
 * @property {string} game
 * @property {Console} console
 * @property {string | null} module
 * @property {number} participants
 * @property {Rate} rate
 * @property {string} started_at
 * @property {number} ticks
 * @property {'recording' | 'interrupted' | 'ended'} state
 * @property {End | null} end
 *
 * @typedef {object} SimulationOf
 * @property {Console} console
 * @property {string | null} module
 * @property {number} rewriter_version
 * @property {{memory_pages: number, stack_bytes: number, init_fuel: string, tick_fuel: string} | null} limits
 * @property {string | null} rewritten
 * @property {string | null} [obstacle]
 *
 * @typedef {object} SessionOnly
 * @property {SimulationOf} simulation
 * @property {string} seed
 * @property {string} config
 * @property {string} disk
 * @property {Column[]} columns
 * @property {number} hash_every
 * @property {Picture | null} picture
 * @property {MarkKind[]} marks
 *
 * @typedef {Summary & SessionOnly} Session
 *
 * @typedef {{tick: number, kind: number, payload: string}} Mark
 * @typedef {{tick: number, state: string, bytes: number}} Keyframe
 * @typedef {{result: 'verified', ticks: number, hashes: number}
 *   | {result: 'mismatch', tick: number, detail: string}
 *   | {result: 'not_verifiable', detail: string}} Verdict
 */
export {};
