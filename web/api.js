import { adviceFor } from './advice.js';

/**
 * @typedef {import('./types.js').Module} Module
 * @typedef {import('./types.js').Summary} Summary
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./types.js').Mark} Mark
 * @typedef {import('./types.js').Keyframe} Keyframe
 * @typedef {import('./types.js').Verdict} Verdict
 */

const BUSY_TRIES = 4;
const BUSY_MILLIS = 250;

/** Why the service did not give what was asked for. */
export class ApiError extends Error {
  /** @param {string} code @param {string} detail @param {number} status 0 if there was no answer */
  constructor(code, detail, status) {
    super(`${code}: ${detail}`);
    this.name = 'ApiError';
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.advice = adviceFor(code).advice;
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function request(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError('offline', 'No answer from the server.', 0);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** @param {Response} response */
async function problemOf(response) {
  const problem = await response.json().catch(() => null);
  const code = typeof problem?.code === 'string' ? problem.code : response.status === 404 ? 'not_found' : 'internal';
  const detail = problem?.detail ?? problem?.title ?? `The server answered ${response.status}.`;
  return new ApiError(code, String(detail), response.status);
}

/** Asks again when the server is busy for a moment. @param {string} path @param {AbortSignal} [signal] */
async function get(path, signal) {
  for (let tries = 0; ; tries++) {
    try {
      return await request(path, { signal: signal ?? null });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'busy' || tries === BUSY_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MILLIS * (tries + 1)));
    }
  }
}

/** @param {string} path @param {AbortSignal} [signal] */
async function json(path, signal) {
  return (await get(path, signal)).json();
}

/** @param {string} path @param {AbortSignal} [signal] */
async function bytes(path, signal) {
  return new Uint8Array(await (await get(path, signal)).arrayBuffer());
}

/** @param {string} text */
const safe = (text) => encodeURIComponent(text);

/** @returns {Promise<Module[]>} */
export async function modules() {
  return (await json('/v1/modules')).modules;
}

/** Admits a module. @param {Blob} file @returns {Promise<{module: Module, isNew: boolean}>} */
export async function admit(file) {
  const response = await request('/v1/modules', {
    method: 'POST',
    body: file,
    headers: { 'content-type': 'application/wasm' },
  });
  return { module: await response.json(), isNew: response.status === 201 };
}

/** @param {{limit: number, after?: string | null}} page @returns {Promise<{sessions: Summary[], next: string | null}>} */
export function sessions({ limit, after }) {
  return json(`/v1/sessions?limit=${limit}${after ? `&after=${safe(after)}` : ''}`);
}

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Session>} */
export function session(id, signal) {
  return json(`/v1/sessions/${safe(id)}`, signal);
}

/** @param {string} id @param {AbortSignal} [signal] */
export function inputs(id, signal) {
  return bytes(`/v1/sessions/${safe(id)}/inputs`, signal);
}

/** @param {string} id @returns {Promise<[number, string][]>} */
export async function hashes(id) {
  return (await json(`/v1/sessions/${safe(id)}/hashes`)).hashes;
}

/** @param {string} id @returns {Promise<Mark[]>} */
export async function marks(id) {
  return (await json(`/v1/sessions/${safe(id)}/marks`)).marks;
}

/** @param {string} id @returns {Promise<{keyframes: Keyframe[], verdict: Verdict | null}>} */
export function keyframes(id) {
  return json(`/v1/sessions/${safe(id)}/keyframes`);
}

/** @param {string} hash @param {AbortSignal} [signal] */
export function blob(hash, signal) {
  return bytes(`/v1/blobs/${safe(hash)}`, signal);
}

/** Whether recordings are taken. */
export async function isReady() {
  try {
    return (await fetch('/readyz')).ok;
  } catch {
    return false;
  }
}

/** @param {string} id */
export function replayAddress(id) {
  return `/v1/sessions/${safe(id)}/replay`;
}

/** Where recorders connect. */
export function recordAddress() {
  const address = new URL('/v1/record', location.href);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}
