// Tracks of a movie: a colour for each, the same in all frames, and lines of where cells were.

import { css, PALETTE, WHITE } from "./colours.js";
import { h } from "./dom.js";

/** Neighbouring numbers get colours that are far apart. @param {number} id */
const colourOf = (id) => PALETTE[(id * 3) % PALETTE.length];

/** Colour of each track. @param {number} most the largest id */
export function trackColours(most) {
  return Uint32Array.from({ length: most + 1 }, (_, id) => (id ? colourOf(id) : 0));
}

/**
 * Lines of the last frames, and of divisions from the mother to each daughter.
 * @param {{paths: [number, [number, number][]][], divisions: [number, number, [number, number], [number, number]][]}} found
 * @returns {import("./signs.js").Path[]}
 */
export function trackPaths({ paths, divisions }) {
  return [
    ...paths.map(([id, places]) => ({ places, colour: colourOf(id) })),
    ...divisions.map(([, , from, to]) => ({ places: [from, to], colour: WHITE, dashed: true })),
  ];
}

export function tracksLegend() {
  const swatches = PALETTE.slice(0, 3).map((colour) => {
    const swatch = h("i", { className: "swatch" });
    swatch.style.background = css(colour);
    return swatch;
  });
  return [h("span", {}, ...swatches, "a colour for each track, with its path"), h("span", {}, "dashed: from mother to daughter")];
}
