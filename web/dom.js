/**
 * @typedef {Node | string | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined>} Attributes
 */

/**
 * An element with attributes and children. Attributes that are null or false are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  append(made, children);
  return made;
}

/** @param {Element} target @param {Attributes} attributes */
export function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) target.removeAttribute(name);
    else target.setAttribute(name, value === true ? '' : String(value));
  }
}

/** @param {Element} parent @param {Child[]} children */
function append(parent, children) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) parent.append(child);
  }
}

/**
 * Writes text only where it changed, so that what assistive software or a selection holds stays.
 * @param {Element} target @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {string} label @param {{id?: string, icon?: IconName, class?: string, title?: string, kind?: string}} options
 * @param {(event: MouseEvent) => void} onClick
 */
export function button(label, options, onClick) {
  const onlyIcon = options.icon !== undefined && options.kind === 'icon';
  const made = element(
    'button',
    {
      type: 'button',
      class: `button ${options.kind ?? 'plain'} ${options.class ?? ''}`.trim(),
      'data-testid': options.id,
      'aria-label': onlyIcon ? label : null,
      title: options.title ?? (onlyIcon ? label : null),
    },
    options.icon ? icon(options.icon) : null,
    onlyIcon ? null : element('span', {}, label),
  );
  made.addEventListener('click', onClick);
  return made;
}

/** @type {Record<string, string>} Paths in a box of 20 x 20. */
const ICONS = {
  play: 'M6 3.8v12.4L16.2 10z',
  pause: 'M5.5 4h3v12h-3zM11.5 4h3v12h-3z',
  reverse: 'M14 3.8v12.4L3.8 10z',
  stepForward: 'M5 4.5v11l7.5-5.5zM13.5 4.5h2v11h-2z',
  stepBack: 'M15 4.5v11L7.5 10zM4.5 4.5h2v11h-2z',
  stop: 'M5 5h10v10H5z',
  fullscreen: 'M3 3h5v1.8H4.8V8H3zM12 3h5v5h-1.8V4.8H12zM3 12h1.8v3.2H8V17H3zM15.2 12H17v5h-5v-1.8h3.2z',
  download: 'M9.1 3h1.8v7.3l2.7-2.7 1.3 1.3L10 13.8 5.1 8.9l1.3-1.3 2.7 2.7zM4 15.2h12V17H4z',
  upload: 'M9.1 13.8h1.8V6.5l2.7 2.7 1.3-1.3L10 3 5.1 7.9l1.3 1.3 2.7-2.7zM4 15.2h12V17H4z',
  link: 'M8.6 11.4a3 3 0 0 1 0-4.2l2.5-2.5a3 3 0 0 1 4.2 4.2l-1.2 1.2-1.2-1.2 1.2-1.2a1.3 1.3 0 0 0-1.8-1.8L9.8 8.4a1.3 1.3 0 0 0 0 1.8zM11.4 8.6a3 3 0 0 1 0 4.2l-2.5 2.5a3 3 0 0 1-4.2-4.2l1.2-1.2 1.2 1.2-1.2 1.2a1.3 1.3 0 0 0 1.8 1.8l2.5-2.5a1.3 1.3 0 0 0 0-1.8z',
  copy: 'M7 3h9v11h-2.5v-1.7h.8V4.7H8.7v.8H7zM4 6.5h8.5V17H4zM5.7 8.2v7.1h5.1V8.2z',
  refresh: 'M10 4a6 6 0 0 1 4.6 2.1V4h1.8v5.3h-5.3V7.5h2.3A4.2 4.2 0 1 0 14 11.3h1.9A6 6 0 1 1 10 4z',
  help: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zm0 1.7a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6zM9.1 13h1.8v1.7H9.1zM10 5.7c1.7 0 2.9 1.1 2.9 2.6 0 1.3-.8 1.9-1.4 2.4-.5.3-.6.5-.6 1.2H9.1c0-1.5.7-2 1.3-2.5.5-.4.8-.6.8-1.1s-.5-.9-1.2-.9-1.2.4-1.2 1.1H7.1c0-1.7 1.2-2.8 2.9-2.8z',
  theme: 'M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15zm0 1.8v11.4a5.7 5.7 0 0 0 0-11.4z',
  close: 'M5.3 4 10 8.7 14.7 4 16 5.3 11.3 10l4.7 4.7-1.3 1.3-4.7-4.7L5.3 16 4 14.7 8.7 10 4 5.3z',
  warn: 'M10 2.6 18.3 17H1.7zM9.1 8v4.3h1.8V8zm0 5.5v1.7h1.8v-1.7z',
  check: 'M8.2 15.2 3.3 10.3l1.3-1.3 3.6 3.6 7.2-7.2 1.3 1.3z',
  back: 'M11.5 4 12.8 5.3 8.1 10l4.7 4.7-1.3 1.3-6-6z',
};

/** @typedef {keyof typeof ICONS} IconName */

/** @param {IconName} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  setAttributes(svg, { viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true' });
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  setAttributes(path, { d: ICONS[name], 'fill-rule': 'evenodd' });
  svg.append(path);
  return svg;
}

/** Changes the picture on a button. @param {Element} holder @param {IconName} name */
export function setIcon(holder, name) {
  const svg = holder.querySelector('svg.icon path');
  if (svg && svg.getAttribute('d') !== ICONS[name]) svg.setAttribute('d', /** @type {string} */ (ICONS[name]));
}

/** Whether keys belong to a field that somebody types in. @param {EventTarget | null} target */
export function isTyping(target) {
  return target instanceof HTMLElement && target.matches('input:not([type=range]):not([type=checkbox]), textarea, select');
}
