// Why a tick could not be run, and what an engine's error says about it.

/**
 * The classes of traps, as every engine of ours names them, with their numbers in `session.proto`.
 * @type {Readonly<Record<string, number>>}
 */
export const TRAP_CLASSES = Object.freeze({
  'unreachable': 1,
  'memory out of bounds': 2,
  'table out of bounds': 3,
  'indirect call to null': 4,
  'indirect call of another type': 5,
  'integer overflow': 6,
  'integer division by zero': 7,
  'conversion to integer out of range': 8,
});

/**
 * A tick failed. A trap and a game's own error happen again whenever the tick is run; a limit says something
 * about the host, so that nothing can be concluded from it. Afterwards the state is undefined until it is
 * restored.
 */
export class SimulationFailure extends Error {
  /**
   * @param {'trap' | 'game' | 'limit'} kind
   * @param {string} message
   * @param {{ traps?: string[], code?: number, what?: string, limit?: number }} details
   */
  constructor(kind, message, { traps, code, what, limit }) {
    super(message);
    this.name = 'SimulationFailure';
    this.kind = kind;
    /** Of a trap: the classes that it may be of, the likeliest first. Engines do not tell all of them apart. */
    this.traps = traps;
    /** Of a trap: its class, 'unknown' where the engine's words are not known. */
    this.trap = traps?.[0];
    /** Of the game's own error: the number that it chose. */
    this.code = code;
    /** Of a limit: its name, and its value. */
    this.what = what;
    this.limit = limit;
  }

  /** @param {string[]} traps the classes that it may be of, the likeliest first */
  static trap(...traps) {
    return new SimulationFailure('trap', `trap: ${traps[0]}`, { traps });
  }

  /** @param {number} code */
  static game(code) {
    return new SimulationFailure('game', `the game gave error ${code}`, { code });
  }

  /**
   * @param {string} what
   * @param {number} limit
   */
  static limit(what, limit) {
    return new SimulationFailure('limit', `${what} above the limit of ${limit}`, { what, limit });
  }
}

/** Bytes are no state of this simulation; its state is undefined until another restore succeeds. */
export class RestoreError extends Error {
  /**
   * @param {string} what which part
   * @param {number | bigint} actual as given
   * @param {number | bigint} expected as needed, or the most allowed
   */
  constructor(what, actual, expected) {
    super(`${what} is ${actual} in the state, ${expected} in the simulation`);
    this.name = 'RestoreError';
    this.what = what;
    this.actual = actual;
    this.expected = expected;
  }
}

const NULL_CALL = 'indirect call to null';
const OTHER_TYPE = 'indirect call of another type';
const OVERFLOW = 'integer overflow';
const CONVERSION = 'conversion to integer out of range';

/**
 * How the engines call the traps: V8, then SpiderMonkey, then JavaScriptCore. What one of them says of two
 * classes alike has both, the likelier first: a call of an empty element, and an infinite or huge float, are
 * what programs run into.
 * @type {ReadonlyArray<readonly [RegExp, string[]]>}
 */
const MESSAGES = [
  [/^unreachable( executed)?$|unreachable code should not be executed/i, ['unreachable']],
  [/table index|table access|element segment|table initializer|call_indirect$|Out of bounds call_indirect/i,
    ['table out of bounds']],
  [/memory access out of bounds|out of bounds memory|data segment|^index out of bounds/i,
    ['memory out of bounds']],
  [/null function or function signature mismatch/i, [NULL_CALL, OTHER_TYPE]],
  [/indirect call to null|to a null table entry/i, [NULL_CALL]],
  [/signature mismatch|signature that does not match/i, [OTHER_TYPE]],
  [/divide by zero|remainder by zero|division by zero/i, ['integer division by zero']],
  [/float unrepresentable|out of bounds trunc/i, [OVERFLOW, CONVERSION]],
  [/divide result unrepresentable|integer overflow/i, [OVERFLOW]],
  [/invalid conversion to integer/i, [CONVERSION]],
];

/**
 * What an error that came out of a guest means.
 * @param {unknown} error
 * @param {{ exhausted: boolean, stackBytes: number }} stack whether the guest's counter is above its limit
 */
export function failureOf(error, { exhausted, stackBytes }) {
  if (error instanceof SimulationFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  // The engine's own stack: RangeError everywhere but in SpiderMonkey.
  const overflow = error instanceof RangeError || /too much recursion/i.test(message);
  if (overflow) return SimulationFailure.limit('bytes of stack', stackBytes);
  if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  const [, traps] = MESSAGES.find(([words]) => words.test(message)) ?? [null, ['unknown']];
  if (exhausted && traps[0] === 'unreachable') return SimulationFailure.limit('bytes of stack', stackBytes);
  const failure = SimulationFailure.trap(...traps);
  failure.cause = error;
  return failure;
}
