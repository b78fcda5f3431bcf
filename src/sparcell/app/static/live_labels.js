// Labels that change while they are shown: edits are applied to the tiles that the browser has.

import { TILE } from "./tiles.js";

/** @typedef {[number, number, number]} Run first pixel of a run in the image row by row, its length, its new id */

/** Applies the runs of edits to the tiles of a layer. */
export class LiveLabels {
  /** @param {import("./viewer.js").Viewer} viewer @param {number} place of the layer */
  constructor(viewer, place) {
    this.viewer = viewer;
    this.place = place;
    /** @type {Run[][]} of this image, for tiles that were on their way */
    this.applied = [];
    this.waiting = false;
  }

  /** Forget the edits of the image before. */
  reset() {
    this.applied = [];
  }

  /** @param {Run[]} runs */
  apply(runs) {
    if (!runs.length) return;
    this.applied.push(runs);
    this.change(runs);
    this.catchUp();
  }

  /** A tile that was asked for before an edit may come without it: the edits are applied again. */
  async catchUp() {
    const tiles = this.viewer.layers[this.place]?.tiles;
    if (this.waiting || !tiles?.coming.size) return;
    this.waiting = true;
    while (tiles.coming.size) await Promise.all(tiles.coming.values());
    this.waiting = false;
    if (this.viewer.layers[this.place]?.tiles === tiles) this.applied.forEach((runs) => this.change(runs));
  }

  /** @param {Run[]} runs */
  change(runs) {
    const { facts } = this.viewer, tiles = this.viewer.layers[this.place]?.tiles;
    if (!facts || !tiles) return;
    let [top, left, bottom, right] = [facts.height, facts.width, 0, 0];
    for (const [start, length, id] of runs) {
      const y = Math.floor(start / facts.width), x = start % facts.width;
      for (let level = 0; level < facts.levels; level += 1) put(tiles, level, y, x, length, id);
      top = Math.min(top, y);
      left = Math.min(left, x);
      bottom = Math.max(bottom, y + 1);
      right = Math.max(right, x + length);
    }
    this.viewer.touch(top, left, bottom, right);
  }
}

/** Write a run into the tiles of one level, which has every 2^level-th row and column. @param {import("./tiles.js").Tiles} tiles @param {number} level @param {number} y @param {number} x @param {number} length @param {number} id */
function put(tiles, level, y, x, length, id) {
  const step = 2 ** level;
  if (y % step) return;
  const row = y / step, first = Math.ceil(x / step), last = Math.ceil((x + length) / step);
  for (let from = first; from < last;) {
    const column = Math.floor(from / TILE), to = Math.min(last, (column + 1) * TILE);
    const tile = tiles.known.get(`${level}/${Math.floor(row / TILE)}/${column}`);
    if (tile) {
      const base = (row % TILE) * tile.width - column * TILE;
      tile.data.fill(id, base + from, base + to);
    }
    from = to;
  }
}
