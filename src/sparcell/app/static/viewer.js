// An image with labels on a canvas, drawn pixel by pixel of the screen: that is fast with any number of objects.

import { CHANNEL_COLOURS, lookUpTable, MATCHED } from "./colours.js";
import { listen } from "./gestures.js";
import { Raster } from "./raster.js";
import { drawSigns } from "./signs.js";
import { TILE, Tiles } from "./tiles.js";

/**
 * @typedef {{name: string, low: number, high: number, top: number, least: number, most: number, histogram: number[]}} ChannelFacts
 * @typedef {{width: number, height: number, levels: number, wide: boolean, offset: number, scale: number, channels: ChannelFacts[], pixel_size: number | null, times: number, depths: number}} ImageFacts
 * @typedef {{index: number, low: number, high: number, gamma: number, on: boolean, colour: number[] | null, lut: Uint32Array}} Channel
 * @typedef {(channel: number, level: number, row: number, column: number) => string} ImageAddress
 * @typedef {(level: number, row: number, column: number) => string} LabelAddress
 * @typedef {{tiles: Tiles, colours: Uint32Array, usual: number, shown: boolean}} Layer
 * @typedef {{move: (y: number, x: number) => void, end: () => void, cancel: () => void, clicks?: boolean}} Grab a drag that a tool takes; with `clicks` also one that is none
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
    this.raster = new Raster(1, 1);
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
    /** @type {import("./signs.js").Sign[]} */
    this.signs = [];
    /** @type {import("./signs.js").Path[]} */
    this.paths = [];
    this.cross = false;
    this.view = { x: 0, y: 0, zoom: 1 };
    this.moved = () => {};
    /** @type {(y: number, x: number, event: PointerEvent) => Grab | null} what a tool does with a drag; null: the image moves */
    this.grab = () => null;
    this.frames = /** @type {number[]} */ ([]);
    /** @type {Tiles[]} of a plane that is about to be shown */
    this.coming = [];
    this.asked = false;
    this.strokes = false;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    listen(this);
  }

  /**
   * Show another image.
   * @param {ImageFacts} facts
   * @param {ImageAddress} address
   * @param {boolean} keep keep the view, as for a stain of the same field
   */
  open(facts, address, keep = false) {
    this.coming.forEach((tiles) => tiles.close());
    this.grey.forEach((tiles) => tiles.close());
    const same = this.facts && this.facts.width === facts.width && this.facts.height === facts.height;
    this.facts = facts;
    this.grey = this.greyTiles(facts, address);
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
   * Show another time or depth of the same image, with its labels, once all tiles on the screen have come.
   * @param {ImageFacts} facts
   * @param {ImageAddress} address
   * @param {(LabelAddress | null)[]} labels of both layers
   * @returns {Promise<boolean>} false if another plane was asked for meanwhile
   */
  async openPlane(facts, address, labels) {
    this.coming.forEach((tiles) => tiles.close());
    const grey = this.greyTiles(facts, address);
    const ids = labels.map((one) => (one ? this.labelTiles(one, facts) : null));
    const coming = [...grey, ...ids.flatMap((one) => one ?? [])];
    this.coming = coming;
    const needed = [...grey.filter((_, n) => this.channels[n]?.on), ...ids.flatMap((one) => one ?? [])];
    await Promise.all(needed.flatMap((tiles) => this.visible(facts).map((place) => tiles.load(...place))));
    if (this.coming !== coming || !this.facts) return false;
    this.coming = [];
    const before = this.facts;
    this.grey.forEach((tiles) => tiles.close());
    // Limits are stored numbers, whose meaning may differ from plane to plane.
    const convert = (/** @type {number} */ n) => (before.offset + before.scale * n - facts.offset) / facts.scale;
    if (before.offset !== facts.offset || before.scale !== facts.scale) {
      for (const one of this.channels) Object.assign(one, { low: convert(one.low), high: convert(one.high) });
      this.channels.forEach((channel) => this.contrast(channel));
    }
    this.facts = facts;
    this.grey = grey;
    ids.forEach((tiles, place) => {
      const layer = this.layers[place];
      if (!layer || !tiles) return;
      layer.tiles.close();
      this.layers[place] = { ...layer, tiles };
    });
    this.draw();
    return true;
  }

  /** Fetch the tiles of an image that will be shown next. @param {ImageFacts} facts @param {ImageAddress} address @param {LabelAddress[]} labels @param {boolean} whole as it is shown at first, not where the view is */
  fetchAhead(facts, address, labels, whole = false) {
    const wanted = [...this.greyTiles(facts, address).slice(0, 3), ...labels.map((one) => this.labelTiles(one, facts))];
    // The browser keeps the answers for a minute.
    wanted.forEach((tiles) => this.visible(facts, whole).forEach((place) => tiles.load(...place)));
  }

  /** @param {ImageFacts} facts @param {ImageAddress} address */
  greyTiles(facts, address) {
    return facts.channels.map((_, c) => {
      /** @type {Tiles} */
      const tiles = new Tiles((l, r, q) => address(c, l, r, q), facts.wide ? "wide" : "narrow", facts.levels,
        (...place) => { if (this.grey.includes(tiles)) { this.raster.arrived("grey", ...place); this.draw(); } });
      return tiles;
    });
  }

  /** @param {LabelAddress} address @param {ImageFacts} facts */
  labelTiles(address, facts) {
    /** @type {Tiles} */
    const tiles = new Tiles(address, "labels", facts.levels,
      (...place) => { if (this.layers.some((one) => one?.tiles === tiles)) { this.raster.arrived("over", ...place); this.draw(); } });
    return tiles;
  }

  /** Level, row and column of the tiles on the screen. @param {ImageFacts} facts @param {boolean} [whole] @returns {[number, number, number][]} */
  visible(facts, whole = false) {
    const view = whole ? this.fitted(facts) : this.view, level = this.level(view.zoom, facts.levels), edge = TILE * 2 ** level;
    const range = (/** @type {number} */ centre, /** @type {number} */ screen, /** @type {number} */ size) => {
      const first = Math.max(0, Math.floor((centre - screen / view.zoom / 2) / edge));
      const last = Math.min(Math.ceil(size / edge), Math.ceil((centre + screen / view.zoom / 2) / edge));
      return Array.from({ length: Math.max(0, last - first) }, (_, n) => first + n);
    };
    const columns = range(view.x, this.canvas.width, facts.width);
    return range(view.y, this.canvas.height, facts.height).flatMap((row) => columns.map((column) => /** @type {[number, number, number]} */ ([level, row, column])));
  }

  /**
   * Show labels, or none.
   * @param {number} place 0 for the truth, 1 for the prediction
   * @param {LabelAddress | null} address
   * @param {number} usual colour of objects
   * @param {Uint32Array} [colours] colour of each id; 0 for none
   */
  setLayer(place, address, usual = MATCHED, colours = new Uint32Array(0)) {
    this.layers[place]?.tiles.close();
    this.layers[place] = address && this.facts ? { tiles: this.labelTiles(address, this.facts), ...shades(colours, usual) } : null;
    this.draw();
  }

  /** @param {number} place @param {Uint32Array} colours @param {number} usual */
  colour(place, colours, usual) {
    const layer = this.layers[place];
    if (layer) Object.assign(layer, shades(colours, usual));
    this.draw();
  }

  /** Draw labels anew whose tiles were changed in place, in a part of the image, px. @param {number} top @param {number} left @param {number} bottom @param {number} right */
  touch(top, left, bottom, right) {
    this.raster.touch("over", top, left, bottom, right);
    this.draw();
  }

  /** Make the table from stored numbers to colours of the screen. @param {Channel} channel */
  contrast(channel) {
    channel.lut = lookUpTable(this.facts?.wide ? 65536 : 256, channel);
    this.draw();
  }

  /** The view of the whole image. @param {ImageFacts} facts */
  fitted({ width, height }) {
    const zoom = Math.min(this.canvas.width / width, this.canvas.height / height) * 0.98;
    return { x: width / 2, y: height / 2, zoom: zoom > 0 ? zoom : 1 };
  }

  /** Show the whole image. */
  fit() {
    if (!this.facts) return;
    this.view = this.fitted(this.facts);
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
    this.raster = new Raster(width, height);
    if (fresh) this.fit();
    this.draw();
  }

  /** Fetch and draw nothing more. */
  close() {
    [...this.coming, ...this.grey].forEach((tiles) => tiles.close());
    this.layers.forEach((layer) => layer?.tiles.close());
    this.facts = null;
  }

  /** Draw at the next frame. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.render(); });
  }

  /** Column and row of the first pixel of the screen, counted in such pixels from the corner of the image. */
  origin() {
    const { view, canvas } = this;
    return { x: Math.round(view.x * view.zoom - canvas.width / 2), y: Math.round(view.y * view.zoom - canvas.height / 2) };
  }

  /** Pixel of the image under a place of the canvas. @param {number} px @param {number} py */
  place(px, py) {
    const { x, y } = this.origin();
    return { x: (x + px) / this.view.zoom - 0.5, y: (y + py) / this.view.zoom - 0.5 };
  }

  render() {
    const { facts, canvas, raster, context } = this;
    if (!facts || canvas.width <= 1) return;
    const started = performance.now();
    const active = this.channels.filter((one) => one.on), shown = this.mode !== "raw" && !this.hidden;
    const layers = this.layers.flatMap((layer, place) => (layer && shown && (layer.shown || this.mode === "fill" || this.selected?.layer === place)
      ? { tiles: layer.tiles, colours: layer.colours, usual: layer.usual, place } : []));
    const scene = {
      ...this.origin(), zoom: this.view.zoom, level: this.level(), width: facts.width, height: facts.height,
      sources: active.map((one) => this.grey[one.index]), luts: active.map((one) => one.lut),
      disjoint: disjoint(active), layers, filled: this.mode === "fill", selected: this.selected && { ...this.selected },
    };
    const boxes = raster.draw(scene), strokes = !this.hidden && Boolean(this.signs.length || this.paths.length || this.cross);
    if (strokes || this.strokes) context.putImageData(raster.picture, 0, 0);
    else for (const { left, top, right, bottom } of boxes) context.putImageData(raster.picture, 0, 0, left, top, right - left, bottom - top);
    if (strokes) drawSigns(context, { ...scene, signs: this.signs, paths: this.paths, cross: this.cross });
    this.strokes = strokes;
    this.frames.push(performance.now() - started);
    if (this.frames.length > 600) this.frames.shift();
    this.moved();
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
  level(zoom = this.view.zoom, levels = this.facts?.levels ?? 1) {
    return Math.min(Math.max(Math.floor(Math.log2(1 / zoom)), 0), levels - 1);
  }

  /** Report a click at the middle of the canvas, for those who use the keyboard. */
  clickCentre() {
    const px = this.canvas.width / 2, py = this.canvas.height / 2, { y, x } = this.place(px, py);
    this.clicked(y, x, this.idsAt(px, py), new PointerEvent("pointerup"));
  }

  /** Keys that every page with an image has. @returns {import("./dom.js").Action[]} */
  actions() {
    const step = () => Math.min(this.canvas.width, this.canvas.height) / 8;
    const move = (/** @type {number} */ dx, /** @type {number} */ dy) => () => { this.cross = true; this.pan(dx * step(), dy * step()); };
    const modes = { outline: "fill", fill: "raw", raw: "outline" };
    return [
      { key: "z", shown: "Z", text: "outline, fill, raw", run: () => { this.mode = /** @type {any} */ (modes[this.mode]); this.draw(); } },
      { key: "h", shown: "H", text: "hold to hide", run: () => { this.hidden = true; this.draw(); }, held: () => { this.hidden = false; this.draw(); } },
      { key: "0", text: "fit", run: () => this.fit() },
      { key: "+", text: "closer", also: ["="], run: () => this.zoom(1.5) },
      { key: "-", text: "further", run: () => this.zoom(1 / 1.5) },
      { key: "ArrowLeft", text: "", run: move(1, 0) }, { key: "ArrowRight", text: "", run: move(-1, 0) },
      { key: "ArrowUp", text: "", run: move(0, 1) }, { key: "ArrowDown", text: "", run: move(0, -1) },
    ];
  }
}

/** Colours of a layer, and whether any is drawn. @param {Uint32Array} colours @param {number} usual */
function shades(colours, usual) {
  return { colours, usual, shown: !colours.length || colours.some((colour) => colour > 0) };
}

/** Whether no two channels share a colour, so that they are added bit by bit. @param {Channel[]} channels */
function disjoint(channels) {
  const used = [0, 1, 2].map((n) => channels.filter((one) => (one.colour ?? [1, 1, 1])[n]).length);
  return Math.max(...used) <= 1;
}
