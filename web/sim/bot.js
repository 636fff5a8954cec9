// Seeded inputs: the same for the same seed as the native ones, for games that have no bots of their own.

/** @typedef {import('./inputs.js').Inputs} Inputs @typedef {import('./inputs.js').Column} Column */

/** One in so many ticks a participant changes what it does, and one in so many it leaves. */
const CHANGE_EACH = 8n;
const LEAVE_EACH = 512n;

/**
 * Presses buttons and moves axes at random, holding them for a while as people do; now and then a participant
 * leaves and comes back.
 */
export class Bot {
  #random;

  /** @param {number | bigint | string} seed */
  constructor(seed) {
    this.#random = new Random(BigInt(seed));
  }

  /**
   * Turns the inputs of one tick into those of the next.
   * @param {Inputs} inputs
   */
  act(inputs) {
    const { participants, columns } = inputs.schema;
    for (let participant = 0; participant < participants; participant += 1) {
      if (this.#random.below(LEAVE_EACH) === 0n) {
        inputs.remove(participant);
      } else if (!inputs.isPresent(participant) || this.#random.below(CHANGE_EACH) === 0n) {
        inputs.set(participant, columns.map((column) => this.#value(column)));
      }
    }
  }

  /** @param {Column} column */
  #value({ kind, min, max }) {
    // Few buttons at once are likelier than many.
    const bits = kind === 'buttons' ? this.#random.bits() & this.#random.bits() : this.#random.bits();
    return min + Number(bits % BigInt(max - min + 1));
  }
}

/** SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
class Random {
  #state;

  /** @param {bigint} seed */
  constructor(seed) {
    this.#state = BigInt.asUintN(64, seed);
  }

  bits() {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e37_79b9_7f4a_7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return z ^ (z >> 31n);
  }

  /** @param {bigint} bound */
  below(bound) {
    return this.bits() % bound;
  }
}
