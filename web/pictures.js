/**
 * Pictures of sessions, made one at a time by a worker of low priority and kept while the page lives.
 * A session that takes too long has none; its card keeps the pattern of its module.
 */

/** @typedef {{width: number, height: number, rgba: Uint8ClampedArray<ArrayBuffer>}} Frame */

const KEPT_MAX = 200;
/** Pixels of a small picture along its longer side. */
const SIDE_MAX = 1280;
const ANSWER_MILLIS_MAX = 5000;

/** @type {Map<string, Frame | null>} */
const kept = new Map();
/** @type {{id: string, deliver: (frame: Frame | null) => void}[]} */
let waiting = [];
/** @type {Worker | null} */
let worker = null;
let isBusy = false;

/**
 * @param {string} id a session @param {(frame: Frame | null) => void} deliver
 * @returns {() => void} takes the request back
 */
export function requestPicture(id, deliver) {
  const request = { id, deliver };
  waiting.push(request);
  // Never before the way to take it back is known.
  queueMicrotask(next);
  return () => {
    waiting = waiting.filter((other) => other !== request);
  };
}

/** Lets a session that has grown be drawn anew. @param {string} id */
export function forgetPicture(id) {
  kept.delete(id);
}

/** Frees the worker, as its memory is better used by the view that is opened. */
export function stopPictures() {
  waiting = [];
  dropWorker();
}

function dropWorker() {
  worker?.terminate();
  worker = null;
  isBusy = false;
}

function next() {
  if (isBusy) return;
  const request = waiting.shift();
  if (!request) return;
  const known = kept.get(request.id);
  if (known !== undefined) {
    request.deliver(known);
    queueMicrotask(next);
    return;
  }
  isBusy = true;
  worker ??= new Worker('/web/worker/picture.js', { type: 'module' });
  const asked = worker;
  const settle = (/** @type {Frame | null} */ frame) => {
    clearTimeout(timer);
    isBusy = false;
    keep(request.id, frame);
    request.deliver(frame);
    next();
  };
  const giveUp = () => {
    if (worker !== asked) return;
    dropWorker();
    settle(null);
  };
  const timer = setTimeout(giveUp, ANSWER_MILLIS_MAX);
  asked.onmessage = ({ data }) => settle(data.frame);
  asked.onerror = giveUp;
  asked.postMessage({ id: request.id });
}

/** @param {string} id @param {Frame | null} frame */
function keep(id, frame) {
  kept.set(id, frame);
  const oldest = kept.keys().next();
  if (kept.size > KEPT_MAX && !oldest.done) kept.delete(oldest.value);
}

/**
 * A small picture: enlarged by a whole number first, so that scaling down from there is even and not blurred.
 * @param {HTMLCanvasElement} canvas @param {Frame} frame
 */
export function drawPicture(canvas, frame) {
  const longer = Math.max(frame.width, frame.height);
  const scale = Math.min(Math.max(1, Math.ceil(640 / frame.width)), longer > SIDE_MAX ? SIDE_MAX / longer : Math.floor(SIDE_MAX / longer));
  const small = document.createElement('canvas');
  drawFrame(small, frame);
  canvas.width = Math.max(1, Math.round(frame.width * scale));
  canvas.height = Math.max(1, Math.round(frame.height * scale));
  canvas.className = '';
  const context = canvas.getContext('2d');
  if (!context) return;
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** @param {HTMLCanvasElement} canvas @param {Frame} frame */
export function drawFrame(canvas, frame) {
  if (canvas.width !== frame.width) canvas.width = frame.width;
  if (canvas.height !== frame.height) canvas.height = frame.height;
  canvas.getContext('2d')?.putImageData(new ImageData(frame.rgba, frame.width, frame.height), 0, 0);
}

/**
 * A quiet pattern that is the same for the same hash, so that sessions of one game look related.
 * @param {HTMLCanvasElement} canvas @param {string} hash
 */
export function drawPattern(canvas, hash) {
  canvas.width = 16;
  canvas.height = 9;
  canvas.className = 'pattern';
  const context = canvas.getContext('2d');
  if (!context) return;
  const digits = Array.from(hash.padEnd(64, '7'), (digit) => Number.parseInt(digit, 16) || 0);
  const hue = (digits[0] ?? 0) * 22.5;
  context.fillStyle = `hsl(${hue} 14% 13%)`;
  context.fillRect(0, 0, 16, 9);
  for (let y = 1; y < 8; y++) {
    for (let x = 4; x < 8; x++) {
      const digit = digits[1 + (y - 1) * 4 + (x - 4)] ?? 0;
      if (digit < 8) continue;
      context.fillStyle = `hsl(${hue} 20% ${16 + digit}%)`;
      context.fillRect(x, y, 1, 1);
      context.fillRect(15 - x, y, 1, 1);
    }
  }
}
