/** @typedef {import('./types.js').Rate} Rate */

/** @param {number} tick @param {Rate} rate */
function secondsOf(tick, rate) {
  return (tick * rate.seconds) / rate.ticks;
}

/** The tick nearest to so many seconds. @param {number} seconds @param {Rate} rate */
export function tickAt(seconds, rate) {
  return Math.round((seconds * rate.ticks) / rate.seconds);
}

/** A tick as m:ss.f, or h:mm:ss.f from an hour on. @param {number} tick @param {Rate} rate */
export function clock(tick, rate) {
  const tenths = Math.floor(secondsOf(tick, rate) * 10 + 1e-6);
  return `${lengthOf(tick, rate)}.${tenths % 10}`;
}

/** A length as m:ss. @param {number} ticks @param {Rate} rate */
export function lengthOf(ticks, rate) {
  const whole = Math.floor(secondsOf(ticks, rate) + 1e-6);
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = String(seconds).padStart(2, '0');
  if (hours === 0) return `${minutes}:${padded}`;
  return `${hours}:${String(minutes).padStart(2, '0')}:${padded}`;
}

/**
 * The tick that somebody typed: "1:23.4", "83.4" seconds with a point, or a length like "90s".
 * @param {string} text @param {Rate} rate @returns {number | null}
 */
export function parseClock(text, rate) {
  const match = /^\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)\s*s?\s*$/.exec(text);
  if (!match) return null;
  const seconds = Number(match[1] ?? 0) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3]);
  return tickAt(seconds, rate);
}

/** @param {number} count */
export function grouped(count) {
  return count.toLocaleString('en-GB');
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** How long ago, in words. @param {string} time RFC 3339 @param {number} [now] */
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return counted(Math.round(seconds / 86_400), 'day') + ' ago';
  return new Date(time).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

/** @param {string} time RFC 3339 */
export function fullTime(time) {
  return new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** What a game is called; carts do not say. @param {{game: string, console: string, module: string | null}} of */
export function titleOf({ game, console, module }) {
  if (game !== '') return game;
  return `${console === 'wasm4' ? 'Cart' : 'Game'} ${(module ?? '').slice(0, 6)}`.trim();
}

/** The beginning of a hash or id, enough to tell two apart. @param {string} text */
export function short(text) {
  return text.slice(0, 12);
}

/** @param {string} base64 */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
