// Draws an image with labels on a canvas, pixel by pixel of the screen: that is fast with any number of objects.

import { TILE, Tiles } from "./tiles.js";

// The palette of the drawings of Sparcell (Okabe and Ito); as little-endian RGBA numbers.
export const MATCHED = rgb(86, 180, 233);
export const EXTRA = rgb(213, 94, 0);
export const MISSED = rgb(240, 228, 66);
export const UNSURE = rgb(204, 121, 167);
const WHITE = rgb(255, 255, 255);
const EDGE = rgb(24, 28, 34);
const HALF = 0x7f7f7f;
const CHANNEL_COLOURS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0]];

/** @param {number} r @param {number} g @param {number} b */
function rgb(r, g, b) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * @typedef {{name: string, low: number, high: number, top: number, least: number, most: number, histogram: number[]}} ChannelFacts
 * @typedef {{width: number, height: number, levels: number, wide: boolean, offset: number, scale: number, channels: ChannelFacts[], pixel_size: number | null, times: number, depths: number}} ImageFacts
 * @typedef {{index: number, low: number, high: number, gamma: number, on: boolean, colour: number[] | null, lut: Uint32Array}} Channel
 * @typedef {{tiles: Tiles, colours: Uint32Array, usual: number}} Layer
 * @typedef {{y: number, x: number, sign: string, colour: number}} Sign
 */

/** A canvas with an image that can be moved and zoomed. */
export class Viewer {
  /** @param {(y: number, x: number, ids: number[], event: PointerEvent) => void} clicked */
  constructor(clicked) {
    this.clicked = clicked;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Image with outlines; arrows move it, plus and minus zoom");
    // For measurements, and whoever looks into the page.
    Object.assign(this.canvas, { viewer: this });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    /** @type {ImageFacts | null} */
    this.facts = null;
    /** @type {Tiles[]} */
    this.grey = [];
    /** @type {Channel[]} */
    this.channels = [];
    /** @type {(Layer | null)[]} of the truth, of the prediction */
    this.layers = [null, null];
    /** @type {"outline" | "fill" | "raw"} */
    this.mode = "outline";
    this.hidden = false;
    /** @type {{layer: number, id: number} | null} */
    this.selected = null;
    /** @type {Sign[]} */
    this.signs = [];
    this.cross = false;
    this.view = { x: 0, y: 0, zoom: 1 };
    this.moved = () => {};
    this.frames = /** @type {number[]} */ ([]);
    this.ids = [new Uint32Array(0), new Uint32Array(0)];
    this.picture = new ImageData(1, 1);
    this.asked = false;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.listen();
  }

  /**
   * Show another image.
   * @param {ImageFacts} facts
   * @param {(channel: number, level: number, row: number, column: number) => string} address
   * @param {boolean} keep keep the view and the contrast, as for a stain of the same field
   */
  open(facts, address, keep = false) {
    this.grey.forEach((tiles) => tiles.close());
    const kind = facts.wide ? "wide" : "narrow";
    this.grey = facts.channels.map((_, c) => new Tiles((l, r, q) => address(c, l, r, q), kind, facts.levels, () => this.draw()));
    const same = this.facts && this.facts.width === facts.width && this.facts.height === facts.height;
    this.facts = facts;
    const three = facts.channels.length === 3;
    this.channels = facts.channels.map((known, index) => ({
      index, low: known.low, high: known.high, gamma: 1,
      on: index === 0 || three, colour: three ? CHANNEL_COLOURS[index] : null, lut: new Uint32Array(0),
    }));
    this.channels.forEach((channel) => this.contrast(channel));
    if (!keep || !same) this.fit();
    this.draw();
  }

  /**
   * Show labels, or none.
   * @param {number} place 0 for the truth, 1 for the prediction
   * @param {((level: number, row: number, column: number) => string) | null} address
   * @param {number} usual colour of objects
   * @param {Uint32Array} [colours] colour of each id; 0 for none
   */
  setLayer(place, address, usual = MATCHED, colours = new Uint32Array(0)) {
    this.layers[place]?.tiles.close();
    this.layers[place] = address && this.facts
      ? { tiles: new Tiles(address, "labels", this.facts.levels, () => this.draw()), colours, usual } : null;
    this.draw();
  }

  /** @param {number} place @param {Uint32Array} colours @param {number} usual */
  colour(place, colours, usual) {
    const layer = this.layers[place];
    if (layer) Object.assign(layer, { colours, usual });
    this.draw();
  }

  /** Make the table from stored numbers to colours of the screen. @param {Channel} channel */
  contrast(channel) {
    const size = this.facts?.wide ? 65536 : 256;
    const lut = new Uint32Array(size);
    const span = Math.max(channel.high - channel.low, 1e-6);
    const [r, g, b] = channel.colour ?? [255, 255, 255];
    for (let n = 0; n < size; n += 1) {
      const part = Math.min(Math.max((n - channel.low) / span, 0), 1);
      const value = channel.gamma === 1 ? part : part ** channel.gamma;
      lut[n] = rgb(Math.round(value * r), Math.round(value * g), Math.round(value * b));
    }
    channel.lut = lut;
    this.draw();
  }

  /** Show the whole image. */
  fit() {
    if (!this.facts) return;
    const { width, height } = this.facts;
    const zoom = Math.min(this.canvas.width / width, this.canvas.height / height) * 0.98;
    this.view = { x: width / 2, y: height / 2, zoom: zoom > 0 ? zoom : 1 };
    this.draw();
  }

  /** Centre a place (px), and zoom in until something of this size is large. @param {number} y @param {number} x @param {number} size */
  go(y, x, size) {
    const wanted = Math.min(this.canvas.width, this.canvas.height) / Math.max(size * 9, 80);
    this.view = { x: x + 0.5, y: y + 0.5, zoom: Math.min(Math.max(this.view.zoom, wanted), 40) };
    this.draw();
  }

  /** @param {number} factor @param {number} [px] @param {number} [py] a place that stays, canvas px */
  zoom(factor, px = this.canvas.width / 2, py = this.canvas.height / 2) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 1 / 256), 64);
    const dx = px - this.canvas.width / 2, dy = py - this.canvas.height / 2;
    this.view.x += dx / this.view.zoom - dx / zoom;
    this.view.y += dy / this.view.zoom - dy / zoom;
    this.view.zoom = zoom;
    this.draw();
  }

  /** @param {number} dx @param {number} dy canvas px */
  pan(dx, dy) {
    this.view.x -= dx / this.view.zoom;
    this.view.y -= dy / this.view.zoom;
    this.draw();
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (width === this.canvas.width && height === this.canvas.height) return;
    const fresh = this.canvas.width <= 1 || !this.facts || Math.abs(this.view.x - this.facts.width / 2) < 1;
    this.canvas.width = width;
    this.canvas.height = height;
    this.picture = new ImageData(width, height);
    this.ids = [new Uint32Array(width * height), new Uint32Array(width * height)];
    if (fresh) this.fit();
    this.draw();
  }

  /** Fetch and draw nothing more. */
  close() {
    this.grey.forEach((tiles) => tiles.close());
    this.layers.forEach((layer) => layer?.tiles.close());
    this.facts = null;
  }

  /** Draw at the next frame. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.render(); });
  }

  /** Pixel of the image under a place of the canvas. @param {number} px @param {number} py */
  place(px, py) {
    return {
      x: this.view.x + (px - this.canvas.width / 2) / this.view.zoom - 0.5,
      y: this.view.y + (py - this.canvas.height / 2) / this.view.zoom - 0.5,
    };
  }

  /** Positions in a level of the columns or rows of the screen; -1 outside. @param {number} count @param {number} centre @param {number} size @param {number} level */
  positions(count, centre, size, level) {
    const step = 2 ** level;
    const found = new Int32Array(count);
    for (let n = 0; n < count; n += 1) {
      const place = Math.floor(centre + (n + 0.5 - count / 2) / this.view.zoom);
      found[n] = place < 0 || place >= size ? -1 : Math.floor(place / step);
    }
    return found;
  }

  render() {
    const { facts, canvas } = this;
    if (!facts || canvas.width <= 1) return;
    const started = performance.now();
    const level = this.level();
    const columns = this.positions(canvas.width, this.view.x, facts.width, level);
    const rows = this.positions(canvas.height, this.view.y, facts.height, level);
    const out = new Uint32Array(this.picture.data.buffer);
    const segments = split(columns);
    const active = this.channels.filter((one) => one.on);
    active.forEach((one, number) => this.paint(out, one, number > 0, level, rows, columns, segments));
    if (!active.length) out.fill(EDGE);
    if (this.mode !== "raw" && !this.hidden) {
      const filled = this.mode === "fill";
      const drawn = this.layers.map((layer, place) => Boolean(layer) && (filled || this.isVisible(place)));
      this.layers.forEach((layer, place) => { if (filled || drawn[place]) this.readIds(layer, place, level, rows, columns, segments); });
      if (filled) this.fill(out);
      this.layers.forEach((layer, place) => { if (drawn[place]) this.outline(out, layer, place); });
    }
    this.context.putImageData(this.picture, 0, 0);
    if (!this.hidden) this.drawSigns();
    this.frames.push(performance.now() - started);
    if (this.frames.length > 600) this.frames.shift();
    this.moved();
  }

  /**
   * Draw one channel; the others are added to it.
   * @param {Uint32Array} out @param {Channel} channel @param {boolean} add @param {number} level
   * @param {Int32Array} rows @param {Int32Array} columns @param {[number, number, number][]} segments
   */
  paint(out, channel, add, level, rows, columns, segments) {
    const tiles = this.grey[channel.index], width = columns.length, { lut } = channel;
    for (let y = 0; y < rows.length; y += 1) {
      const row = rows[y], start = y * width;
      if (!add && y && row === rows[y - 1]) { out.copyWithin(start, start - width, start); continue; }
      for (const [column, from, to] of segments) {
        if (row < 0 || column < 0) { if (!add) out.fill(EDGE, start + from, start + to); continue; }
        const tile = tiles.get(level, row >> 9, column) ?? null;
        if (!tile) { this.coarse(out, tiles, channel, add, level, row, columns, start, from, to); continue; }
        const base = (row & (TILE - 1)) * tile.width, { data } = tile;
        if (add) {
          for (let x = from; x < to; x += 1) out[start + x] = sum(out[start + x], lut[data[base + (columns[x] & (TILE - 1))]]);
        } else {
          for (let x = from; x < to; x += 1) out[start + x] = lut[data[base + (columns[x] & (TILE - 1))]];
        }
      }
    }
  }

  /**
   * Draw a part of a row from the coarsest level while its tile is on its way.
   * @param {Uint32Array} out @param {Tiles} tiles @param {Channel} channel @param {boolean} add @param {number} level
   * @param {number} row @param {Int32Array} columns @param {number} start @param {number} from @param {number} to
   */
  coarse(out, tiles, channel, add, level, row, columns, start, from, to) {
    const last = tiles.levels - 1, tile = level < last ? tiles.get(last, 0, 0) : null;
    if (!tile) { if (!add) out.fill(EDGE, start + from, start + to); return; }
    const shift = last - level, base = Math.min(row >> shift, tile.height - 1) * tile.width;
    for (let x = from; x < to; x += 1) {
      const value = channel.lut[tile.data[base + Math.min(columns[x] >> shift, tile.width - 1)]];
      out[start + x] = add ? sum(out[start + x], value) : value;
    }
  }

  /**
   * @param {Layer | null} layer @param {number} place @param {number} level
   * @param {Int32Array} rows @param {Int32Array} columns @param {[number, number, number][]} segments
   */
  readIds(layer, place, level, rows, columns, segments) {
    const ids = this.ids[place], width = columns.length;
    if (!layer) { ids.fill(0); return; }
    for (let y = 0; y < rows.length; y += 1) {
      const row = rows[y], start = y * width;
      if (y && row === rows[y - 1]) { ids.copyWithin(start, start - width, start); continue; }
      for (const [column, from, to] of segments) {
        const tile = row < 0 || column < 0 ? null : layer.tiles.get(level, row >> 9, column);
        if (!tile) { ids.fill(0, start + from, start + to); continue; }
        const base = (row & (TILE - 1)) * tile.width, { data } = tile;
        for (let x = from; x < to; x += 1) ids[start + x] = data[base + (columns[x] & (TILE - 1))];
      }
    }
  }

  /** Colour pixels: those of both labels, of the truth alone, of the prediction alone. @param {Uint32Array} out */
  fill(out) {
    const [truth, found] = this.ids, both = this.layers[0] && this.layers[1];
    for (let i = 0; i < out.length; i += 1) {
      const a = truth[i], b = found[i];
      if (!a && !b) continue;
      const colour = both ? (a && b ? MATCHED : b ? EXTRA : MISSED) : this.colourOf(a ? 0 : 1, a || b);
      if (colour) out[i] = (((out[i] >>> 1) & HALF) + ((colour >>> 1) & HALF) | 0xff000000) >>> 0;
    }
  }

  /** @param {number} place @param {number} id */
  colourOf(place, id) {
    const layer = this.layers[place];
    if (!layer) return 0;
    return id < layer.colours.length ? layer.colours[id] : layer.usual;
  }

  /**
   * Draw the border of each object, as wide as a pixel of the screen at any zoom.
   * @param {Uint32Array} out @param {Layer | null} layer @param {number} place
   */
  outline(out, layer, place) {
    if (!layer) return;
    const ids = this.ids[place], { width, height } = this.canvas, near = this.view.zoom > 1.5 || width > 1600 ? 2 : 1;
    const chosen = this.selected && this.selected.layer === place ? this.selected.id : 0;
    const { colours, usual } = layer, up = near * width;
    for (let y = near; y < height; y += 1) {
      let before = ids[y * width], last = ids[y * width + near - 1];
      for (let i = y * width + near, end = (y + 1) * width; i < end; i += 1) {
        const a = ids[i], left = near === 1 ? last : before, above = ids[i - up];
        before = last;
        last = a;
        if (a === left && a === above) continue;
        const other = a !== left ? left : above;
        if (chosen && (a === chosen || left === chosen || above === chosen)) { out[i] = WHITE; out[i - 1] = WHITE; out[i - width] = WHITE; continue; }
        const ca = a ? (a < colours.length ? colours[a] : usual) : 0;
        const colour = ca || (other ? (other < colours.length ? colours[other] : usual) : 0);
        if (colour) out[i] = colour;
      }
    }
  }

  drawSigns() {
    const { context, canvas, view } = this;
    const size = Math.min(Math.max(view.zoom * 5, 7), 16) * Math.min(devicePixelRatio || 1, 2);
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const { y, x, sign, colour } of this.signs) {
      const px = (x + 0.5 - view.x) * view.zoom + canvas.width / 2, py = (y + 0.5 - view.y) * view.zoom + canvas.height / 2;
      if (px < -20 || py < -20 || px > canvas.width + 20 || py > canvas.height + 20) continue;
      context.font = `bold ${Math.round(size * 1.8)}px system-ui, sans-serif`;
      context.lineWidth = Math.max(3, size / 3);
      context.strokeStyle = "#000";
      context.fillStyle = css(colour);
      context.strokeText(sign, px, py);
      context.fillText(sign, px, py);
    }
    if (!this.cross) return;
    context.fillStyle = "#fff";
    context.fillRect(canvas.width / 2 - 12, canvas.height / 2 - 0.5, 24, 1.5);
    context.fillRect(canvas.width / 2 - 0.5, canvas.height / 2 - 12, 1.5, 24);
  }

  /** Ids of both layers at a place of the canvas. @param {number} px @param {number} py */
  idsAt(px, py) {
    const { facts } = this, place = this.place(px, py), x = Math.round(place.x), y = Math.round(place.y);
    if (!facts || x < 0 || y < 0 || x >= facts.width || y >= facts.height) return [0, 0];
    const level = this.level();
    const [row, column] = [y >> level, x >> level];
    return this.layers.map((layer) => {
      const tile = layer?.tiles.get(level, row >> 9, column >> 9);
      return tile ? tile.data[(row & (TILE - 1)) * tile.width + (column & (TILE - 1))] : 0;
    });
  }

  /** The resolution that is drawn: the coarsest that has a pixel for each of the screen. */
  level() {
    const levels = this.facts?.levels ?? 1;
    return Math.min(Math.max(Math.floor(Math.log2(1 / this.view.zoom)), 0), levels - 1);
  }

  /** Whether any object of a layer has an outline. @param {number} place */
  isVisible(place) {
    const layer = this.layers[place], chosen = this.selected?.layer === place;
    return Boolean(layer) && (chosen || !layer?.colours.length || layer.colours.some((colour) => colour > 0));
  }

  /** Report a click at the middle of the canvas, for those who use the keyboard. */
  clickCentre() {
    const px = this.canvas.width / 2, py = this.canvas.height / 2, { y, x } = this.place(px, py);
    this.clicked(y, x, this.idsAt(px, py), new PointerEvent("pointerup"));
  }

  listen() {
    const { canvas } = this;
    /** @type {Map<number, {x: number, y: number}>} */
    const down = new Map();
    let dragged = 0;
    const at = (/** @type {MouseEvent} */ event) => {
      const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
      return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio };
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, at(event));
      if (down.size === 1) dragged = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const now = at(event), other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      dragged += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      if (other) {
        const apart = (/** @type {{x: number, y: number}} */ p) => Math.hypot(p.x - other.x, p.y - other.y);
        this.zoom(apart(now) / Math.max(apart(before), 1), other.x, other.y);
      } else if (dragged > 4) this.pan(now.x - before.x, now.y - before.y);
      down.set(event.pointerId, now);
    });
    const up = (/** @type {PointerEvent} */ event) => {
      const one = down.size === 1 && down.has(event.pointerId);
      down.delete(event.pointerId);
      if (!one || dragged > 4 || event.type !== "pointerup") return;
      const { x: px, y: py } = at(event), { y, x } = this.place(px, py);
      this.cross = false;
      this.clicked(y, x, this.idsAt(px, py), event);
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = at(event);
      this.zoom(2 ** (-event.deltaY / 300), x, y);
    }, { passive: false });
  }

  /** Keys that every page with an image has. @returns {import("./dom.js").Action[]} */
  actions() {
    const step = () => Math.min(this.canvas.width, this.canvas.height) / 8;
    const move = (/** @type {number} */ dx, /** @type {number} */ dy) => () => { this.cross = true; this.pan(dx * step(), dy * step()); };
    return [
      { key: "z", shown: "Z", text: `show: ${this.mode}`, run: () => { this.mode = /** @type {any} */ ({ outline: "fill", fill: "raw", raw: "outline" })[this.mode]; this.draw(); } },
      { key: "h", shown: "H", text: "hold to hide", run: () => { this.hidden = true; this.draw(); }, held: () => { this.hidden = false; this.draw(); } },
      { key: "0", text: "fit", run: () => this.fit() },
      { key: "+", text: "closer", also: ["="], run: () => this.zoom(1.5) },
      { key: "-", text: "further", run: () => this.zoom(1 / 1.5) },
      { key: "ArrowLeft", text: "", run: move(1, 0) }, { key: "ArrowRight", text: "", run: move(-1, 0) },
      { key: "ArrowUp", text: "", run: move(0, 1) }, { key: "ArrowDown", text: "", run: move(0, -1) },
    ];
  }
}

/** Add two colours, each channel up to 255. @param {number} a @param {number} b */
function sum(a, b) {
  const r = Math.min((a & 255) + (b & 255), 255);
  const g = Math.min(((a >>> 8) & 255) + ((b >>> 8) & 255), 255);
  const c = Math.min(((a >>> 16) & 255) + ((b >>> 16) & 255), 255);
  return (0xff000000 | (c << 16) | (g << 8) | r) >>> 0;
}

/** Cut columns of the screen where the tile changes: tile (-1 outside), first, last + 1. @param {Int32Array} columns @returns {[number, number, number][]} */
function split(columns) {
  /** @type {[number, number, number][]} */
  const segments = [];
  for (let x = 0; x < columns.length; x += 1) {
    const tile = columns[x] < 0 ? -1 : columns[x] >> 9;
    const last = segments[segments.length - 1];
    if (last && last[0] === tile) last[2] = x + 1;
    else segments.push([tile, x, x + 1]);
  }
  return segments;
}

/** @param {number} colour */
export function css(colour) {
  return `rgb(${colour & 255} ${(colour >>> 8) & 255} ${(colour >>> 16) & 255})`;
}
