/**
 * Gamepads drive the same bindings as the keys, in the layout that browsers call standard: the cross or the left
 * stick for directions, the buttons for the rest in their order.
 *
 * @typedef {import('./keys.js').Controls} Controls
 */

const STICK_MIN = 0.5;
const CROSS = /** @type {const} */ ({ UP: 12, DOWN: 13, LEFT: 14, RIGHT: 15 });
/** The buttons that are no direction and not the browser's. */
const ACTIONS = [0, 1, 2, 3, 4, 5, 6, 7];

/** Keys that are held because of a gamepad, by the gamepad's place. @type {Set<string>[]} */
const held = [];

/** Takes over what gamepads do now: the first plays as the first at the keyboard, the second as the second. @param {Controls} controls */
export function readGamepads(controls) {
  const pads = navigator.getGamepads?.() ?? [];
  controls.layouts.forEach(({ bindings }, seat) => {
    const pad = pads.filter((other) => other?.connected)[seat];
    const now = new Set(pad ? pressedKeys(pad, bindings) : []);
    const before = held[seat] ?? new Set();
    for (const code of now) if (!before.has(code)) controls.press(code);
    for (const code of before) if (!now.has(code)) controls.release(code);
    held[seat] = now;
  });
}

/** @param {Gamepad} pad @param {import('./keys.js').Binding[]} bindings */
function pressedKeys(pad, bindings) {
  const isDown = (/** @type {number} */ button) => pad.buttons[button]?.pressed === true;
  const [x = 0, y = 0] = pad.axes;
  const ways = {
    UP: isDown(CROSS.UP) || y < -STICK_MIN,
    DOWN: isDown(CROSS.DOWN) || y > STICK_MIN,
    LEFT: isDown(CROSS.LEFT) || x < -STICK_MIN,
    RIGHT: isDown(CROSS.RIGHT) || x > STICK_MIN,
  };
  const actions = [...ACTIONS];
  return bindings.flatMap(({ name, keys }) => {
    const isPressed = name in ways ? ways[/** @type {keyof typeof CROSS} */ (name)] : isDown(actions.shift() ?? -1);
    return isPressed ? keys.slice(0, 1) : [];
  });
}
