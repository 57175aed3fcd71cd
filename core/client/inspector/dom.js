// Elements, and numbers in words.

/**
 * @param {string} tag
 * @param {Record<string, any>} [set] attributes; `text` is its text, `on...` are listeners
 * @param {...(Node | string)} inside
 * @returns {any}
 */
export function el(tag, set = {}, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...inside);
  return node;
}

/** Changes a text only where it changed: what stands still is not read out again. @param {Element} node @param {string} words */
export const put = (node, words) => {
  if (node.textContent !== words) node.textContent = words;
};

/** @param {number} n */
export const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(n >= 1e8 ? 0 : 1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(0)} kB` : `${n} B`);
/** @param {number} n */
export const whole = (n) => n.toLocaleString("en");
/** @param {number | null | undefined} ms */
export const millis = (ms) => (ms === null || ms === undefined ? "–" : ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
/** @param {number} ms */
export const minutes = (ms) => (ms < 60_000 ? `${Math.floor(ms / 1000)} s` : ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`);
/** @param {number} kbps */
export const speed = (kbps) => (kbps >= 10_000 ? `${Math.round(kbps / 1000)} Mbit/s` : kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`);
