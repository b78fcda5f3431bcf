// Pixels of the screen. Grey values and outlines are kept, so that only what changed is computed anew.

import { EDGE, EXTRA, MATCHED, MISSED, sum, WHITE } from "./colours.js";
import { TILE } from "./tiles.js";

const HALF = 0x7f7f7f;
const OPAQUE = 0xff000000;
/** Alpha of a colour through which the image is seen. */
const THROUGH = 0x80000000;
/** Positions left of and above the screen: outlines depend on them. */
const PAD = 3;

/**
 * @typedef {import("./tiles.js").Tiles} Tiles
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 * @typedef {{tiles: Tiles, colours: Uint32Array, usual: number, place: number}} DrawnLayer
 * @typedef {object} Scene
 * @property {number} zoom
 * @property {number} level
 * @property {number} x of the first column of the screen, in px of the screen
 * @property {number} y
 * @property {number} width of the image
 * @property {number} height
 * @property {Tiles[]} sources one for each channel that is shown
 * @property {Uint32Array[]} luts
 * @property {boolean} disjoint whether the channels have no colour in common
 * @property {DrawnLayer[]} layers
 * @property {boolean} filled
 * @property {{layer: number, id: number} | null} selected
 */

/** The picture on the screen. */
export class Raster {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    /** @type {Scene | null} */
    this.scene = null;
    this.width = width;
    this.height = height;
    this.picture = new ImageData(width, height);
    this.out = new Uint32Array(this.picture.data.buffer);
    this.over = new Uint32Array(width * height);
    /** @type {Uint16Array[]} */
    this.grey = [];
    this.rows = new Int32Array(height + PAD);
    this.columns = new Int32Array(width + PAD);
    this.within = new Int32Array(width + PAD);
    this.lines = Array.from({ length: 2 * PAD + 2 }, () => new Uint32Array(width + PAD));
    /** @type {{grey: Box[], over: Box[], both: Box[]}} */
    this.dirty = { grey: [], over: [], both: [] };
  }

  get all() {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  /** Compute what differs from the picture before; give the boxes that changed. @param {Scene} scene @returns {Box[]} */
  draw(scene) {
    const before = this.scene, { dirty } = this;
    this.scene = scene;
    const moved = before ? [scene.x - before.x, scene.y - before.y] : [0, 0];
    const same = before && before.zoom === scene.zoom && before.level === scene.level
      && before.width === scene.width && before.height === scene.height;
    // Tiles that arrived since then were marked at the old place.
    for (const box of [...dirty.grey, ...dirty.over]) clip(box, moved, this);
    const inReach = Math.abs(moved[0]) < this.width / 2 && Math.abs(moved[1]) < this.height / 2;
    if (!same || moved[0] || moved[1]) this.locate();
    while (this.grey.length < scene.sources.length) this.grey.push(new Uint16Array(this.width * this.height));
    const greyKept = before && same && inReach && equal(before.sources, scene.sources);
    const overKept = before && same && inReach && before.filled === scene.filled
      && equal(before.layers.flatMap(parts), scene.layers.flatMap(parts)) && sameObject(before.selected, scene.selected);
    if (!greyKept) dirty.grey = [this.all];
    if (!overKept) dirty.over = [this.all];
    if (before && (!equal(before.luts, scene.luts) || before.disjoint !== scene.disjoint)) dirty.both = [this.all];
    const shifted = Boolean((moved[0] || moved[1]) && (greyKept || overKept));
    if (shifted) this.shift(moved[0], moved[1]);
    const changed = dirty.grey.length + dirty.over.length + dirty.both.length > 12 ? [this.all] : [...dirty.grey, ...dirty.over, ...dirty.both];
    scene.sources.forEach((tiles, number) => dirty.grey.forEach((box) => this.sample(this.grey[number], tiles, box)));
    dirty.over.forEach((box) => this.outlines(box));
    const boxes = changed.some((box) => isAll(box, this)) ? [this.all] : changed;
    boxes.forEach((box) => this.compose(box));
    this.dirty = { grey: [], over: [], both: [] };
    return shifted ? [this.all] : boxes;
  }

  /** Find the position in the image of each row and column of the screen; -1 outside. */
  locate() {
    const { zoom, level, x, y, width, height } = /** @type {Scene} */ (this.scene);
    const fill = (/** @type {Int32Array} */ found, /** @type {number} */ begin, /** @type {number} */ size) => {
      for (let n = 0; n < found.length; n += 1) {
        const place = Math.floor((begin + n - PAD + 0.5) / zoom);
        found[n] = place < 0 || place >= size ? -1 : place >> level;
      }
    };
    fill(this.rows, y, height);
    fill(this.columns, x, width);
    for (let n = 0; n < this.columns.length; n += 1) this.within[n] = this.columns[n] & (TILE - 1);
  }

  /** Move what is known, and mark the edges that came in. @param {number} dx @param {number} dy */
  shift(dx, dy) {
    const { width, height, dirty } = this, offset = dy * width + dx;
    for (const pixels of [this.out, this.over, ...this.grey]) {
      if (offset > 0) pixels.copyWithin(0, offset);
      else pixels.copyWithin(-offset, 0, pixels.length + offset);
    }
    /** @type {Box[]} */
    const edges = [];
    if (dx) edges.push({ left: dx > 0 ? width - dx : 0, right: dx > 0 ? width : -dx, top: 0, bottom: height });
    if (dy) edges.push({ left: 0, right: width, top: dy > 0 ? height - dy : 0, bottom: dy > 0 ? height : -dy });
    dirty.grey.push(...edges);
    dirty.over.push(...edges);
  }

  /**
   * Mark a part of the image, px, as changed.
   * @param {"grey" | "over"} kind @param {number} top @param {number} left @param {number} bottom @param {number} right
   */
  touch(kind, top, left, bottom, right) {
    if (!this.scene) return;
    const { zoom, x, y } = this.scene;
    const box = {
      left: Math.max(0, Math.floor(left * zoom - x) - 1), right: Math.min(this.width, Math.ceil(right * zoom - x) + PAD + 1),
      top: Math.max(0, Math.floor(top * zoom - y) - 1), bottom: Math.min(this.height, Math.ceil(bottom * zoom - y) + PAD + 1),
    };
    if (box.left < box.right && box.top < box.bottom) this.dirty[kind].push(box);
  }

  /** Mark what a tile shows as changed. @param {"grey" | "over"} kind @param {number} level @param {number} row @param {number} column */
  arrived(kind, level, row, column) {
    if (!this.scene) return;
    const edge = TILE * 2 ** level;
    // The coarsest tile is shown wherever others are on their way.
    this.touch(kind, row * edge, column * edge, (row + 1) * edge, (column + 1) * edge);
  }

  /** Cut columns of a box where the tile changes: tile (-1 outside), first, last + 1. @param {Box} box @param {number} [margin] @returns {[number, number, number][]} */
  segments(box, margin = 0) {
    /** @type {[number, number, number][]} */
    const found = [];
    for (let n = box.left + PAD - margin; n < box.right + PAD; n += 1) {
      const tile = this.columns[n] < 0 ? -1 : this.columns[n] >> 9, last = found[found.length - 1];
      if (last && last[0] === tile) last[2] = n + 1;
      else found.push([tile, n, n + 1]);
    }
    return found;
  }

  /** Read the grey values of a box. @param {Uint16Array} grey @param {Tiles} tiles @param {Box} box */
  sample(grey, tiles, box) {
    const { width, rows, within } = this, { level } = /** @type {Scene} */ (this.scene), segments = this.segments(box);
    let band = -1;
    /** @type {(import("./api.js").Tile | null)[]} */
    let known = [];
    for (let y = box.top; y < box.bottom; y += 1) {
      const row = rows[y + PAD], start = y * width;
      if (row < 0) continue;
      if (y > box.top && row === rows[y + PAD - 1]) {
        grey.copyWithin(start + box.left, start - width + box.left, start - width + box.right);
        continue;
      }
      if (row >> 9 !== band) {
        band = row >> 9;
        known = segments.map(([column]) => (column < 0 ? null : tiles.get(level, band, column)));
      }
      for (let s = 0; s < segments.length; s += 1) {
        const [column, from, to] = segments[s], tile = known[s];
        if (column < 0) continue;
        if (tile) {
          const base = (row & (TILE - 1)) * tile.width, { data } = tile;
          take(grey, start - PAD, data, within, base, from, to);
        } else this.coarse(grey, tiles, row, start - PAD, from, to);
      }
    }
  }

  /**
   * Take a part of a row from the coarsest level while its tile is on its way.
   * @param {Uint16Array} grey @param {Tiles} tiles @param {number} row @param {number} start @param {number} from @param {number} to
   */
  coarse(grey, tiles, row, start, from, to) {
    const { level } = /** @type {Scene} */ (this.scene), last = tiles.levels - 1;
    const tile = level < last ? tiles.get(last, 0, 0) : null;
    if (!tile) { grey.fill(0, start + from, start + to); return; }
    const shift = last - level, base = Math.min(row >> shift, tile.height - 1) * tile.width;
    for (let n = from; n < to; n += 1) grey[start + n] = tile.data[base + Math.min(this.columns[n] >> shift, tile.width - 1)];
  }

  /** Compute what lies over the image in a box: outlines or areas of objects, and the surroundings. @param {Box} box */
  outlines(box) {
    const { width, rows, over } = this, { layers, filled } = /** @type {Scene} */ (this.scene);
    const outside = this.segments(box).filter(([column]) => column < 0);
    for (let y = box.top; y < box.bottom; y += 1) {
      const start = y * width;
      over.fill(rows[y + PAD] < 0 ? EDGE : 0, start + box.left, start + box.right);
      for (const [, from, to] of outside) over.fill(EDGE, start + from - PAD, start + to - PAD);
    }
    if (filled && layers.length) this.areas(box);
    for (const layer of layers) this.borders(box, layer);
  }

  /**
   * Read the ids of a row of the screen; false if there are none.
   * @param {Uint32Array} line @param {DrawnLayer} layer @param {number} row
   * @param {{segments: [number, number, number][], band: number, known: (import("./api.js").Tile | null)[]}} cut tiles of the row before
   */
  ids(line, layer, row, cut) {
    const { within } = this, { level } = /** @type {Scene} */ (this.scene), { segments } = cut;
    if (cut.band !== row >> 9) {
      cut.band = row >> 9;
      cut.known = segments.map(([column]) => (row < 0 || column < 0 ? null : layer.tiles.get(level, row >> 9, column)));
    }
    let any = 0;
    for (let s = 0; s < segments.length; s += 1) {
      const [, from, to] = segments[s], tile = cut.known[s];
      if (tile) any |= gather(line, tile.data, within, (row & (TILE - 1)) * tile.width, from, to);
      else line.fill(0, from, to);
    }
    return any !== 0;
  }

  /** Draw the border of each object, as wide as a pixel of the screen at any zoom. @param {Box} box @param {DrawnLayer} layer */
  borders(box, layer) {
    const { width, rows, over } = this, { zoom, selected } = /** @type {Scene} */ (this.scene), { colours, usual } = layer;
    const near = zoom > 1.5 || width > 1600 ? 2 : 1, ring = PAD + 1;
    const chosen = selected && selected.layer === layer.place ? selected.id : 0;
    const cut = { segments: this.segments(box, PAD), band: NaN, known: [] }, some = new Array(ring).fill(false);
    for (let y = box.top - PAD; y < box.bottom; y += 1) {
      const slot = (y + ring) % ring, line = this.lines[slot], row = rows[y + PAD], before = (slot + ring - 1) % ring;
      if (y > box.top - PAD && row === rows[y + PAD - 1]) {
        some[slot] = some[before];
        if (some[slot]) line.set(this.lines[before].subarray(box.left, box.right + PAD), box.left);
      } else some[slot] = this.ids(line, layer, row, cut);
      if (!some[slot] && !some[before]) line.fill(0, box.left, box.right + PAD);
      const upper = (slot + ring - near) % ring, above = this.lines[upper], start = y * width - PAD;
      if (y < box.top || !some.includes(true)) continue;
      stroke(over, start, line, above, near, box.left + PAD, box.right + PAD, colours, usual);
      if (chosen) this.emphasise(line, this.lines[(slot + 1) % ring], chosen, start, box);
    }
  }

  /** Draw the border of one object wider, in white. @param {Uint32Array} line @param {Uint32Array} above @param {number} chosen @param {number} start @param {Box} box */
  emphasise(line, above, chosen, start, box) {
    for (let n = box.left + PAD, end = box.right + PAD; n < end; n += 1) {
      const inside = line[n] === chosen;
      if (inside !== (line[n - PAD] === chosen) || inside !== (above[n] === chosen)) this.over[start + n] = WHITE;
    }
  }

  /** Colour areas: those of both labels, of the truth alone, of the prediction alone. @param {Box} box */
  areas(box) {
    const { width, rows, over } = this, { layers } = /** @type {Scene} */ (this.scene);
    const lines = layers.map((_, n) => this.lines[PAD + 1 + n]), both = layers.length > 1;
    const cuts = layers.map(() => ({ segments: this.segments(box), band: NaN, known: [] }));
    for (let y = box.top; y < box.bottom; y += 1) {
      layers.forEach((layer, n) => this.ids(lines[n], layer, rows[y + PAD], cuts[n]));
      for (let n = box.left + PAD, end = box.right + PAD; n < end; n += 1) {
        const first = lines[0][n], second = both ? lines[1][n] : 0;
        if (!first && !second) continue;
        const colour = both ? (first && second ? MATCHED : second ? EXTRA : MISSED) : colourOf(layers[0], first);
        if (colour) over[y * width + n - PAD] = ((colour & 0xffffff) | THROUGH) >>> 0;
      }
    }
  }

  /** Put the channels and what lies over them together. @param {Box} box */
  compose(box) {
    const { width, out, over } = this, { luts, disjoint, filled } = /** @type {Scene} */ (this.scene);
    const [grey] = this.grey, [lut] = luts;
    for (let y = box.top; y < box.bottom; y += 1) {
      const from = y * width + box.left, to = y * width + box.right;
      if (luts.length === 1) {
        for (let i = from; i < to; i += 1) { const o = over[i]; out[i] = o >= OPAQUE ? o : lut[grey[i]]; }
      } else this.mix(from, to, disjoint);
      for (let i = from; filled && i < to; i += 1) {
        const o = over[i];
        if (o && o < OPAQUE) out[i] = (((out[i] >>> 1) & HALF) + ((o >>> 1) & HALF) | OPAQUE) >>> 0;
      }
    }
  }

  /** Add up several channels, or none. @param {number} from @param {number} to @param {boolean} disjoint */
  mix(from, to, disjoint) {
    const { out, over } = this, { luts } = /** @type {Scene} */ (this.scene);
    out.fill(luts.length ? OPAQUE : EDGE, from, to);
    luts.forEach((lut, number) => {
      const grey = this.grey[number];
      if (disjoint) for (let i = from; i < to; i += 1) out[i] |= lut[grey[i]];
      else for (let i = from; i < to; i += 1) out[i] = sum(out[i], lut[grey[i]]);
    });
    for (let i = from; i < to; i += 1) if (over[i] >= OPAQUE) out[i] = over[i];
  }
}

/**
 * Copy ids of a tile to columns of the screen; 0 if all are. Small functions for one type of array are what browsers make fast.
 * @param {Uint32Array} line @param {Uint8Array | Uint16Array | Uint32Array} data @param {Int32Array} within
 * @param {number} base @param {number} from @param {number} to
 */
function gather(line, data, within, base, from, to) {
  let any = 0;
  for (let n = from; n < to; n += 1) { const id = data[base + within[n]]; any |= id; line[n] = id; }
  return any;
}

/** @param {Uint16Array} grey @param {number} start @param {Uint8Array | Uint16Array | Uint32Array} data @param {Int32Array} within @param {number} base @param {number} from @param {number} to */
function take(grey, start, data, within, base, from, to) {
  for (let n = from; n < to; n += 1) grey[start + n] = data[base + within[n]];
}

/**
 * Colour the pixels of a row whose id differs from that to the left or above.
 * @param {Uint32Array} over @param {number} start @param {Uint32Array} line @param {Uint32Array} above @param {number} near
 * @param {number} from @param {number} to @param {Uint32Array} colours @param {number} usual
 */
function stroke(over, start, line, above, near, from, to, colours, usual) {
  const count = colours.length;
  for (let n = from; n < to; n += 1) {
    const id = line[n], left = line[n - near], up = above[n];
    if (id === left && id === up) continue;
    const other = id !== left ? left : up;
    const own = id ? (id < count ? colours[id] : usual) : 0;
    const colour = own || (other ? (other < count ? colours[other] : usual) : 0);
    if (colour) over[start + n] = colour;
  }
}

/** @param {DrawnLayer} layer @param {number} id */
function colourOf(layer, id) {
  return id < layer.colours.length ? layer.colours[id] : layer.usual;
}

/** @param {DrawnLayer} layer */
const parts = (layer) => [layer.tiles, layer.colours, layer.usual, layer.place];

/** @param {any[]} a @param {any[]} b */
const equal = (a, b) => a.length === b.length && a.every((one, n) => one === b[n]);

/** @param {{layer: number, id: number} | null} a @param {{layer: number, id: number} | null} b */
const sameObject = (a, b) => a?.layer === b?.layer && a?.id === b?.id;

/** Move a box against the motion of the view, inside the screen. @param {Box} box @param {number[]} moved @param {Raster} raster */
function clip(box, [dx, dy], { width, height }) {
  box.left = Math.min(Math.max(box.left - dx, 0), width);
  box.right = Math.min(Math.max(box.right - dx, 0), width);
  box.top = Math.min(Math.max(box.top - dy, 0), height);
  box.bottom = Math.min(Math.max(box.bottom - dy, 0), height);
}

/** @param {Box} box @param {Raster} raster */
const isAll = (box, raster) => box.left === 0 && box.top === 0 && box.right === raster.width && box.bottom === raster.height;
