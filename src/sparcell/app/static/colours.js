// Colours as the numbers of an ImageData: little-endian RGBA.

/** @param {number} r @param {number} g @param {number} b */
export function rgb(r, g, b) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

// The palette of the drawings of Sparcell (Okabe and Ito), which the colour-blind can tell apart.
export const MATCHED = rgb(86, 180, 233);
export const EXTRA = rgb(213, 94, 0);
export const MISSED = rgb(240, 228, 66);
export const UNSURE = rgb(204, 121, 167);
export const WHITE = rgb(255, 255, 255);
export const EDGE = rgb(24, 28, 34);
/** Of tracks, in turn. */
export const PALETTE = [MATCHED, rgb(230, 159, 0), rgb(0, 158, 115), MISSED, UNSURE, rgb(0, 114, 178), EXTRA];
export const CHANNEL_COLOURS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0]];

/** @param {number} colour */
export function css(colour) {
  return `rgb(${colour & 255} ${(colour >>> 8) & 255} ${(colour >>> 16) & 255})`;
}

/**
 * Make the table from stored numbers to colours of the screen: part = ((n - low) / (high - low)) ^ gamma.
 * @param {number} size of the table @param {{low: number, high: number, gamma: number, colour: number[] | null}} how
 */
export function lookUpTable(size, { low, high, gamma, colour }) {
  const table = new Uint32Array(size), span = Math.max(high - low, 1e-6);
  const [r, g, b] = (colour ?? [255, 255, 255]).map((part) => part / 255);
  let from = 0;
  // All numbers of one shade at once: 256 runs instead of 65536 numbers.
  for (let shade = 0; shade < 256; shade += 1) {
    const end = shade === 255 ? size : Math.ceil(low + span * ((shade + 0.5) / 255) ** (1 / gamma));
    if (end <= from) continue;
    table.fill(rgb(Math.round(shade * r), Math.round(shade * g), Math.round(shade * b)), from, end);
    from = Math.min(end, size);
  }
  return table;
}

/** Add two colours, each channel up to 255. @param {number} a @param {number} b */
export function sum(a, b) {
  const red = Math.min((a & 255) + (b & 255), 255);
  const green = Math.min(((a >>> 8) & 255) + ((b >>> 8) & 255), 255);
  const blue = Math.min(((a >>> 16) & 255) + ((b >>> 16) & 255), 255);
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}
