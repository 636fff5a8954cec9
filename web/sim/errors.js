// Errors of bytes that come from outside.

/** Why bytes cannot be read: what is wrong, in which part, from which byte on. */
export class DecodeError extends Error {
  /**
   * @param {string} section which part
   * @param {number} offset where the fault lies, in bytes from the start of what was handed in
   * @param {string} reason what is wrong there
   */
  constructor(section, offset, reason) {
    super(`${section} at byte ${offset}: ${reason}`);
    this.name = 'DecodeError';
    this.section = section;
    this.offset = offset;
    this.reason = reason;
  }
}
