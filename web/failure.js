/** A failure that has a code of the table of advice. */
export class Failure extends Error {
  /** @param {string} code @param {string} detail */
  constructor(code, detail) {
    super(detail);
    this.name = 'Failure';
    this.code = code;
    this.detail = detail;
  }
}
