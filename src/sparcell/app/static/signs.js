// What is drawn on the picture by strokes: signs of marks, paths of tracks, a cross.

import { css } from "./colours.js";

/**
 * @typedef {{y: number, x: number, sign: string, colour: number}} Sign
 * @typedef {{places: [number, number][], colour: number, dashed?: boolean, wide?: number}} Path places are y and x, px; `wide` px of the image for a stroke of a brush
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{zoom: number, x: number, y: number, signs: Sign[], paths: Path[], cross: boolean}} scene x and y of the first pixel of the screen
 */
export function drawSigns(context, { zoom, x: left, y: top, signs, paths, cross }) {
  const { width, height } = context.canvas, ratio = Math.min(devicePixelRatio || 1, 2);
  const at = (/** @type {number} */ y, /** @type {number} */ x) => ({ px: (x + 0.5) * zoom - left, py: (y + 0.5) * zoom - top });
  drawPaths(context, paths, at, ratio, zoom);
  const size = Math.min(Math.max(zoom * 5, 7), 16) * ratio;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { y, x, sign, colour } of signs) {
    const { px, py } = at(y, x);
    if (px < -20 || py < -20 || px > width + 20 || py > height + 20) continue;
    context.font = `bold ${Math.round(size * 1.8)}px system-ui, sans-serif`;
    context.lineWidth = Math.max(3, size / 3);
    context.strokeStyle = "#000";
    context.fillStyle = css(colour);
    context.strokeText(sign, px, py);
    context.fillText(sign, px, py);
  }
  if (!cross) return;
  context.fillStyle = "#fff";
  context.fillRect(width / 2 - 12, height / 2 - 0.5, 24, 1.5);
  context.fillRect(width / 2 - 0.5, height / 2 - 12, 1.5, 24);
}

/**
 * @param {CanvasRenderingContext2D} context @param {Path[]} paths
 * @param {(y: number, x: number) => {px: number, py: number}} at @param {number} ratio @param {number} zoom
 */
function drawPaths(context, paths, at, ratio, zoom) {
  context.lineJoin = context.lineCap = "round";
  for (const { places, colour, dashed, wide } of paths) {
    if (wide) { drawStroke(context, places.map(([y, x]) => at(y, x)), colour, wide * zoom); continue; }
    context.setLineDash(dashed ? [5 * ratio, 4 * ratio] : []);
    context.beginPath();
    for (const [y, x] of places) { const { px, py } = at(y, x); context.lineTo(px, py); }
    // A dark border keeps each colour visible on bright pixels.
    for (const [style, wide] of [["#000", 3.5], [css(colour), 1.8]]) {
      context.strokeStyle = String(style);
      context.lineWidth = Number(wide) * ratio;
      context.stroke();
    }
  }
  context.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} context @param {{px: number, py: number}[]} places @param {number} colour @param {number} wide */
function drawStroke(context, places, colour, wide) {
  context.setLineDash([]);
  context.globalAlpha = 0.45;
  context.strokeStyle = css(colour);
  context.lineWidth = wide;
  context.beginPath();
  for (const { px, py } of places) context.lineTo(px, py);
  if (places.length === 1) context.lineTo(places[0].px + 0.01, places[0].py);
  context.stroke();
  context.globalAlpha = 1;
}
