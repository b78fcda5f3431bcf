// Tools of the page Correct: what clicks and drags on the image do.

import { EXTRA, MISSED, UNSURE, WHITE } from "./colours.js";

/**
 * @typedef {"select" | "merge" | "split" | "redraw" | "brush" | "erase" | "add"} Tool
 * @typedef {[number, number]} Place y and x, px
 * @typedef {{kind: string, objects?: number[], places?: Place[], radius?: number}} Wanted an edit
 */

const SMALLEST = 1, LARGEST = 60;
/** What a tool waits for. @type {Record<Tool, string>} */
export const HINTS = {
  select: "Click selects an object; Shift+drag selects many.",
  merge: "Click the object that belongs to the selected one.",
  split: "Click on both cells, or draw a line between them.",
  redraw: "Draw the outline.",
  brush: "Draw over what belongs to the object; without a selected one, a new one.",
  erase: "Draw over what does not belong to the object.",
  add: "Click on a missed cell: an outline is proposed.",
};

/** The tool that is chosen, and what has been drawn with it so far. */
export class Tools {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {{edit: (wanted: Wanted) => void, select: (id: number) => void, selectMany: (box: [Place, Place]) => void, chosen: () => number, changed: () => void, drawn: () => void, say: (text: string) => void, candidate: (y: number, x: number) => boolean}} page
   */
  constructor(viewer, page) {
    this.viewer = viewer;
    this.page = page;
    /** @type {Tool} */
    this.tool = "select";
    this.radius = 4;
    /** @type {Place[]} clicks of a split */
    this.clicks = [];
    /** @type {import("./signs.js").Path[]} what is being drawn */
    this.drawn = [];
    /** @type {Place | null} */
    this.pointer = null;
    viewer.grab = (y, x, event) => this.grab(y, x, event);
    viewer.clicked = (y, x, ids) => this.click(y, x, ids[1]);
    viewer.canvas.addEventListener("pointermove", (event) => this.hover(event));
    viewer.canvas.addEventListener("pointerleave", () => { this.pointer = null; this.page.drawn(); });
  }

  /** @param {Tool} tool */
  choose(tool) {
    this.tool = this.tool === tool ? "select" : tool;
    this.clicks = [];
    this.drawn = [];
    this.viewer.canvas.dataset.tool = this.tool;
    this.page.changed();
  }

  /** @param {number} step */
  size(step) {
    this.radius = Math.min(LARGEST, Math.max(SMALLEST, this.radius + step * Math.max(1, Math.round(this.radius / 5))));
    this.page.changed();
  }

  /** Lines that show what the tool does. @returns {import("./signs.js").Path[]} */
  paths() {
    const painting = this.tool === "brush" || this.tool === "erase";
    const ring = painting && this.pointer ? [{ places: circle(this.pointer, this.radius), colour: WHITE }] : [];
    return [...this.drawn, ...ring];
  }

  /** @returns {import("./signs.js").Sign[]} */
  signs() {
    return this.clicks.map(([y, x]) => ({ y, x, sign: "+", colour: MISSED }));
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (this.tool !== "brush" && this.tool !== "erase") return;
    const box = this.viewer.canvas.getBoundingClientRect(), ratio = this.viewer.canvas.width / box.width;
    const { y, x } = this.viewer.place((event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
    this.pointer = [y, x];
    this.page.drawn();
  }

  /** @param {number} y @param {number} x @param {PointerEvent} event @returns {import("./viewer.js").Grab | null} */
  grab(y, x, event) {
    const { tool } = this;
    if (event.button === 1 || panning()) return null;
    if (tool === "select" && event.shiftKey) return this.box([y, x]);
    if (tool === "brush" || tool === "erase") return this.stroke([y, x], { colour: tool === "brush" ? MISSED : EXTRA, wide: this.radius * 2 }, true, (places) =>
      this.page.edit({ kind: tool, objects: this.objects(), places, radius: this.radius }));
    if (tool === "redraw") return this.stroke([y, x], { colour: MISSED }, false, (places) => {
      this.page.edit({ kind: "redraw", objects: this.objects(), places });
      this.choose("select");
    });
    if (tool === "split") return this.stroke([y, x], { colour: EXTRA }, false, (places) => this.split(places));
    return null;
  }

  /** The selected object, or none. */
  objects() {
    const id = this.page.chosen();
    return id ? [id] : [];
  }

  /**
   * A drag that draws a line.
   * @param {Place} first @param {{colour: number, wide?: number}} style @param {boolean} clicks @param {(places: Place[]) => void} done
   * @returns {import("./viewer.js").Grab}
   */
  stroke(first, style, clicks, done) {
    const path = { ...style, places: /** @type {Place[]} */ ([first]) };
    const stop = () => { this.drawn = []; this.page.drawn(); };
    this.drawn = [path];
    return {
      clicks,
      move: (y, x) => {
        const [before, column] = path.places[path.places.length - 1];
        if (Math.hypot(before - y, column - x) < 0.7 && path.places.length > 1) return;
        path.places.push([round(y), round(x)]);
        this.page.drawn();
      },
      end: () => { stop(); done(path.places.slice(0, 5000)); },
      cancel: stop,
    };
  }

  /** @param {Place} first @returns {import("./viewer.js").Grab} */
  box(first) {
    let last = first;
    const stop = () => { this.drawn = []; this.page.drawn(); };
    return {
      move: (y, x) => {
        last = [y, x];
        const [top, left] = first;
        this.drawn = [{ places: [[top, left], [top, x], [y, x], [y, left], [top, left]], colour: UNSURE, dashed: true }];
        this.page.drawn();
      },
      end: () => { stop(); this.page.selectMany([first, last]); },
      cancel: stop,
    };
  }

  /** @param {number} y @param {number} x @param {number} id */
  click(y, x, id) {
    this.drawn = [];
    const chosen = this.page.chosen();
    if (this.tool === "merge" && chosen && id && id !== chosen) {
      this.page.edit({ kind: "merge", objects: [chosen, id] });
      this.choose("select");
    } else if (this.tool === "add") {
      this.page.edit({ kind: "add", places: [[round(y), round(x)]] });
    } else if (this.tool === "split" && id) {
      this.clicks.push([round(y), round(x)]);
      if (this.clicks.length === 1) this.page.select(id);
      if (this.clicks.length === 2) this.split(this.clicks);
    } else if (id) this.page.select(id);
    else if (this.tool === "select" && !this.page.candidate(y, x)) this.page.select(0);
    else if (this.tool === "merge" || this.tool === "split") this.page.say("There is no object here.");
    this.page.changed();
  }

  /** @param {Place[]} places */
  split(places) {
    const id = this.page.chosen();
    this.clicks = [];
    if (!id) { this.page.say("Select the object first."); return; }
    this.page.edit({ kind: "split", objects: [id], places: [...places] });
    this.choose("select");
  }
}

/** @param {Place} centre @param {number} radius @returns {Place[]} */
function circle([y, x], radius) {
  return Array.from({ length: 33 }, (_, n) => {
    const angle = (n * Math.PI) / 16;
    return /** @type {Place} */ ([y + radius * Math.sin(angle), x + radius * Math.cos(angle)]);
  });
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

let space = false;
addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key !== " " || target.closest("button, a, summary, input, textarea, select")) return;
  space = true;
  event.preventDefault();
});
addEventListener("keyup", (event) => { if (event.key === " ") space = false; });
/** Whether the space bar is held, with which a drag always moves the image. */
const panning = () => space;
