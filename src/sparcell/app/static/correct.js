// Correct: one object after the other, the most uncertain first; then a search for what was missed.

import { get, post } from "./api.js";
import { MATCHED, MISSED, PALETTE, UNSURE } from "./colours.js";
import { contrastPanel, minimap } from "./controls.js";
import { askText, h, problem, refreshActions, setActions, show, trail } from "./dom.js";
import { HINTS, Tools } from "./edit_tools.js";
import { LiveLabels } from "./live_labels.js";
import { Outbox } from "./outbox.js";
import { Viewer } from "./viewer.js";

const JUDGED = PALETTE[2];
const NAMES = ["upper left", "upper right", "lower left", "lower right"];

/**
 * @typedef {{image: number, object: number, candidate: boolean, y: number, x: number, diameter: number, reason: string, settled: boolean, quarter?: number}} Item
 * @typedef {{id: number, y: number, x: number, diameter: number, judged: boolean}} Row
 */

/** @param {any} start @param {string} correctionId */
export async function correctPage(start, correctionId) {
  const correction = start.corrections.find((/** @type {any} */ one) => one.id === correctionId);
  if (!correction) throw new Error("There is no such correction any more.");
  const base = `corrections/${correctionId}`, overview = await get(base);
  trail([[start.folder, "#/"], ["Correct"], [correction.name]]);
  /** @type {Item[]} objects and candidates in their order, then the quarters of each image */
  const items = [...overview.queue, ...overview.images.flatMap((/** @type {any} */ one, /** @type {number} */ image) =>
    NAMES.map((name, quarter) => ({ image, object: 0, candidate: false, y: 0, x: 0, diameter: 0, quarter,
      reason: `search for missed cells: ${name} quarter`, settled: one.scanned.includes(quarter) })))];

  let position = -1, image = -1, shownAt = Date.now(), stained = false;
  /** @type {any} what the server said of the image */
  let state = null;
  /** @type {Map<number, Row>} */
  let rows = new Map();
  /** @type {Set<number>} */
  let many = new Set();
  let stacks = { undo: overview.undo, redo: overview.redo };
  /** @type {Outbox | null} */
  let outbox = null;

  const viewer = new Viewer(() => {});
  const live = new LiveLabels(viewer, 1), contrast = contrastPanel(viewer);
  const title = h("h1"), reason = h("p", { className: "reason" }), facts = h("p", { className: "count" });
  const hint = h("p", { className: "hint", role: "status" }), message = h("div"), bar = h("progress", { max: items.length, "aria-label": "Objects and quarters that are settled" });
  const tools = new Tools(viewer, {
    edit, select, selectMany, chosen: () => viewer.selected?.id ?? 0, changed: refresh, drawn: draw,
    say: (text) => message.replaceChildren(problem(text)),
    candidate: (y, x) => pickCandidate(y, x),
  });

  const item = () => items[position], stage = h("div", { className: "stage" }, viewer.canvas, minimap(viewer));
  let queue = Promise.resolve(), waiting = 0;

  /** Do things one after the other, however fast the keys are pressed. @param {() => Promise<void> | void} work */
  function later(work) {
    waiting += 1;
    stage.setAttribute("aria-busy", "true");
    queue = queue.then(work).catch((error) => message.replaceChildren(problem(error))).finally(() => {
      waiting -= 1;
      if (!waiting) stage.setAttribute("aria-busy", "false");
    });
    return queue;
  }
  /** The object of an item; candidates have ids of their own. @param {Item} one */
  const rowOf = (one) => (one.candidate || one.quarter !== undefined ? undefined : rows.get(one.object));
  const seconds = () => Math.round((Date.now() - shownAt) / 100) / 10;

  /** Ask for an edit of the image that is shown; the server refuses it if another tab was faster. @param {any} wanted */
  function edit(wanted) {
    if (!state || !outbox) return;
    message.replaceChildren();
    outbox.send({ objects: [], places: [], ...wanted, seconds: seconds(), revision: state.revision + outbox.waiting.length });
  }

  /** @param {any} answer */
  function saved(answer) {
    stacks = { undo: answer.undo, redo: answer.redo };
    if (answer.image !== image) return;
    state = { ...state, revision: answer.revision, scanned: answer.scanned, settled_candidates: answer.settled_candidates };
    for (const row of answer.rows) rows.set(row.id, row);
    for (const id of answer.gone) { rows.delete(id); many.delete(id); }
    live.apply(answer.runs);
    settle();
    if (answer.kind === "undo" || answer.kind === "redo") {
      if (answer.place) viewer.go(answer.place[0], answer.place[1], Math.max(answer.place[2], state.diameter));
      hint.textContent = answer.kind === "undo" ? "The last edit is undone." : "The edit is done again.";
      const again = items.findIndex((one) => isOf(one, answer));
      if (again >= 0) { position = again; viewer.selected = rowOf(item()) ? { layer: 1, id: item().object } : null; }
    } else hint.textContent = answer.notes.join("; ");
    const chosen = viewer.selected?.id ?? 0;
    const made = answer.left.find((/** @type {number} */ id) => rows.has(id));
    if (["add", "take", "redraw", "brush", "merge", "split"].includes(answer.kind) && made) viewer.selected = { layer: 1, id: made };
    else if (chosen && !rows.has(chosen)) viewer.selected = null;
    refresh();
  }

  /** @param {any} error */
  async function refused(error) {
    if (error.code === 409) {
      await openImage(image);
      message.replaceChildren(problem("These labels were edited in another window. They are shown as they are now; edit them again."));
    } else message.replaceChildren(problem(error));
  }

  /** Mark the items of this image that need no more look. */
  function settle() {
    const candidates = new Set(state.settled_candidates), scanned = new Set(state.scanned);
    for (const one of items) {
      if (one.image !== image) continue;
      if (one.quarter !== undefined) one.settled = scanned.has(one.quarter);
      else if (one.candidate) one.settled = candidates.has(one.object);
      else one.settled = rows.get(one.object)?.judged ?? true;
    }
  }

  function refresh() {
    if (!state) return;
    let most = 0;
    for (const id of rows.keys()) most = Math.max(most, id);
    const colours = new Uint32Array(most + 1).fill(MATCHED);
    for (const row of rows.values()) if (row.judged) colours[row.id] = JUDGED;
    for (const id of many) colours[id] = UNSURE;
    viewer.colour(1, colours, MATCHED);
    draw();
    const current = item(), left = items.filter((one) => !one.settled).length;
    bar.value = items.length - left;
    title.textContent = left ? `${left} of ${items.length} left` : "Everything was looked at";
    reason.textContent = current ? current.reason : "";
    facts.textContent = `Image ${image + 1} of ${overview.images.length}: ${overview.images[image].name}, ${rows.size} objects${many.size ? `, ${many.size} selected` : ""}${tools.tool === "brush" || tools.tool === "erase" ? `, brush of ${2 * tools.radius} px` : ""}`;
    if (tools.tool !== "select") hint.textContent = HINTS[tools.tool];
    setActions(actions());
  }

  /** Draw candidates and what a tool is drawing: all that changes while the pointer moves. */
  function draw() {
    if (!state) return;
    const settledCandidates = new Set(state.settled_candidates), current = item();
    const dashed = state.outlines.filter((/** @type {any} */ one) => !settledCandidates.has(one.id)).map((/** @type {any} */ one) =>
      ({ places: one.places, colour: current?.candidate && current.object === one.id ? UNSURE : MISSED, dashed: true }));
    viewer.paths = [...dashed, ...quarterLine(current), ...tools.paths()];
    viewer.signs = tools.signs();
    viewer.draw();
  }

  /** @param {Item | undefined} one @returns {import("./signs.js").Path[]} */
  function quarterLine(one) {
    if (one?.quarter === undefined || !viewer.facts) return [];
    const { top, left, bottom, right } = quarterBox(one.quarter, viewer.facts);
    return [{ places: [[top, left], [top, right], [bottom, right], [bottom, left], [top, left]], colour: MISSED, dashed: true }];
  }

  /** @param {number} id */
  function select(id) {
    many = new Set();
    viewer.selected = id ? { layer: 1, id } : null;
    refresh();
  }

  /** @param {[[number, number], [number, number]]} box */
  function selectMany([[a, b], [c, d]]) {
    const inside = [...rows.values()].filter((row) => row.y >= Math.min(a, c) && row.y <= Math.max(a, c) && row.x >= Math.min(b, d) && row.x <= Math.max(b, d));
    viewer.selected = null;
    many = new Set(inside.map((row) => row.id));
    hint.textContent = many.size ? `${many.size} objects are selected: Del deletes them, Enter accepts them.` : "There is no object in the box.";
    refresh();
  }

  /** @param {number} y @param {number} x */
  function pickCandidate(y, x) {
    const open = state?.outlines.find((/** @type {any} */ one) => !state.settled_candidates.includes(one.id) && within(y, x, one.places));
    const found = open ? items.findIndex((one) => one.image === image && one.candidate && one.object === open.id) : -1;
    if (found >= 0) later(() => go(found));
    return found >= 0;
  }

  /** @param {number} number */
  async function openImage(number) {
    await outbox?.empty();
    outbox?.close();
    state = null;
    live.reset();
    const address = `${base}/images/${number}`;
    const found = await get(address);
    const keep = number === image;
    image = number;
    stained = false;
    many = new Set();
    viewer.open(found, (c, l, r, q) => `${address}/tiles/image/${c}/${l}/${r}/${q}`, keep);
    viewer.setLayer(1, (l, r, q) => `${address}/tiles/labels/0/${l}/${r}/${q}`, MATCHED);
    contrast.refresh();
    rows = new Map(found.rows.map((/** @type {Row} */ row) => [row.id, row]));
    state = found;
    outbox = new Outbox(`${address}/edits`, saved, refused);
    settle();
    refresh();
  }

  async function openStain() {
    const kind = stained ? "stain" : "image", address = `${base}/images/${image}`;
    viewer.open(await get(`${address}/about/${kind}`), (c, l, r, q) => `${address}/tiles/${kind}/${c}/${l}/${r}/${q}`, true);
    contrast.refresh();
  }

  /** Show an object, a candidate or a quarter. @param {number} to */
  async function go(to) {
    if (to < 0 || to >= items.length) return;
    position = to;
    try {
      if (item().image !== image) await openImage(item().image);
    } catch (error) { message.replaceChildren(problem(error)); return; }
    shownAt = Date.now();
    const one = item(), row = rowOf(one);
    many = new Set();
    viewer.selected = row ? { layer: 1, id: one.object } : null;
    if (one.quarter !== undefined && viewer.facts) {
      const box = quarterBox(one.quarter, viewer.facts), { canvas } = viewer;
      const zoom = Math.min(canvas.width / (box.right - box.left), canvas.height / (box.bottom - box.top)) * 0.95;
      viewer.view = { y: (box.top + box.bottom) / 2, x: (box.left + box.right) / 2, zoom };
      viewer.draw();
    } else {
      viewer.view.zoom = 0;
      viewer.go(row?.y ?? one.y, row?.x ?? one.x, one.diameter);
    }
    hint.textContent = one.quarter !== undefined ? "Click what is missing with W; then Enter." : one.candidate ? "Enter adds the dashed outline, Del dismisses it." : "";
    refresh();
  }

  /** @param {number} step @param {boolean} open only what is not settled */
  function next(step, open = false) {
    for (let n = 1; n <= items.length; n += 1) {
      const to = (position + step * n + items.length * n) % items.length;
      if (!open || !items[to].settled) return go(to);
    }
    hint.textContent = "Everything was looked at: export the corrections.";
    return Promise.resolve();
  }

  async function accept() {
    const one = item(), chosen = viewer.selected?.id ?? 0;
    if (tools.tool !== "select") { tools.choose("select"); return; }
    if (many.size) { edit({ kind: "accept", objects: [...many] }); many = new Set(); return; }
    if (chosen && chosen !== one?.object) { edit({ kind: "accept", objects: [chosen] }); viewer.selected = null; return; }
    if (one?.quarter !== undefined) edit({ kind: "scan", quarter: one.quarter });
    else if (one?.candidate) { if (!one.settled) edit({ kind: "take", objects: [one.object] }); }
    else if (one && rowOf(one)) edit({ kind: "accept", objects: [one.object] });
    await outbox?.empty();
    await next(1, true);
  }

  async function remove() {
    const one = item(), chosen = viewer.selected?.id ?? 0;
    if (many.size) { edit({ kind: "delete", objects: [...many] }); many = new Set(); return; }
    if (chosen) {
      edit({ kind: "delete", objects: [chosen] });
      if (chosen !== one?.object || one.candidate) return;
    } else if (one?.candidate) edit({ kind: "dismiss", objects: [one.object] });
    else { message.replaceChildren(problem("Select an object first.")); return; }
    await outbox?.empty();
    await next(1, true);
  }

  /** @param {"undo" | "redo"} kind */
  async function back(kind) {
    await outbox?.empty();
    const where = stacks[kind];
    if (where === null) { hint.textContent = `There is nothing to ${kind}.`; return; }
    if (where !== image) await openImage(where);
    edit({ kind });
    await outbox?.empty();
  }

  /** @param {number} step */
  function otherImage(step) {
    const wanted = (image + step + overview.images.length) % overview.images.length;
    const first = items.findIndex((one) => one.image === wanted && !one.settled);
    return go(first >= 0 ? first : items.findIndex((one) => one.image === wanted));
  }

  async function exportThem() {
    const name = await askText("Name of the new dataset folder");
    if (!name) return;
    await outbox?.empty();
    try {
      const made = await post(`${base}/export`, { name });
      message.replaceChildren(h("p", {}, "The corrections are in ", h("b", {}, made.folder), ". Train a model on them: ",
        h("code", {}, `sparcell train RECIPE --data ${made.folder}`)));
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  /** @param {import("./edit_tools.js").Tool} tool @param {string} key @param {string} text */
  const choose = (tool, key, text) => ({ key: key.toLowerCase(), shown: key, text, on: () => tools.tool === tool, run: () => {
    if (tool === "merge" && !viewer.selected) { message.replaceChildren(problem("Select an object first, then the one that belongs to it.")); return; }
    tools.choose(tool);
  } });
  /** @param {"grow" | "shrink"} kind */
  const resize = (kind) => { const id = viewer.selected?.id; if (id) edit({ kind, objects: [id] }); };

  /** The bar of keys follows the tool. @returns {import("./dom.js").Action[]} */
  function actions() {
    const painting = tools.tool === "brush" || tools.tool === "erase", one = item();
    const yes = many.size ? "accept all" : one?.quarter !== undefined ? "searched, next" : one?.candidate ? "add it, next" : "right, next";
    const size = [
      { key: "[", text: "smaller brush", run: () => tools.size(-1) },
      { key: "]", text: "larger brush", run: () => tools.size(1) },
    ];
    return [
      { key: "Enter", text: tools.tool === "select" ? yes : "done with the tool", run: () => later(accept) },
      { key: "Delete", shown: "Del", also: ["Backspace"], text: many.size ? "delete all" : one?.candidate && !viewer.selected ? "no cell, next" : "delete", run: () => later(remove) },
      choose("merge", "M", "merge"), choose("split", "S", "split"), choose("redraw", "R", "redraw"),
      choose("brush", "B", "brush"), choose("erase", "E", "erase"), ...(painting ? size : size.map((action) => ({ ...action, text: "" }))),
      { key: "Shift+q", shown: "Shift+Q", text: "grow", run: () => resize("grow") },
      { key: "q", shown: "Q", text: "shrink", run: () => resize("shrink") },
      choose("add", "W", "missed cell"),
      { key: "Ctrl+z", shown: "Ctrl+Z", text: "undo", run: () => later(() => back("undo")) },
      { key: "Ctrl+Shift+z", shown: "Ctrl+Shift+Z", text: "redo", run: () => later(() => back("redo")) },
      { key: "Escape", shown: "Esc", text: tools.tool === "select" ? "select nothing" : "leave the tool", run: () => { if (tools.tool === "select") select(0); else tools.choose("select"); hint.textContent = ""; } },
      { key: "p", shown: "P", text: "previous", run: () => later(() => next(-1)) },
      { key: "n", shown: "N", text: "next", run: () => later(() => next(1)) },
      { key: "g", shown: "G", text: "use the cross", run: () => viewer.clickCentre() },
      { key: "v", shown: "V", text: "search this image", run: () => later(() => go(items.findIndex((other) => other.image === image && other.quarter !== undefined && (!other.settled || other.quarter === 3)))) },
      { key: "a", shown: "A", text: "previous image", run: () => later(() => otherImage(-1)) },
      { key: "d", shown: "D", text: "next image", run: () => later(() => otherImage(1)) },
      ...(state?.stain ? [{ key: "t", shown: "T", text: "stain", on: () => stained, run: () => { stained = !stained; openStain(); refreshActions(); } }] : []),
      { key: "i", shown: "I", text: "auto contrast", run: contrast.auto },
      ...viewer.actions(),
    ];
  }

  show(h("div", { className: "work" }, stage,
    h("aside", { className: "side" },
      h("section", { className: "panel" }, title, bar, reason, facts, hint, message,
        h("div", { className: "row" }, h("button", { type: "button", className: "plain", onclick: exportThem }, "Export the corrections"))),
      contrast.element)));
  viewer.canvas.dataset.tool = "select";
  if (!items.length) throw new Error("There is no image in this correction.");
  const first = items.findIndex((one) => !one.settled);
  await go(Math.max(0, first));
  return () => { outbox?.close(); viewer.close(); };
}

/** Whether an edit was of an item. @param {Item} one @param {any} answer */
function isOf(one, { image, of }) {
  if (one.image !== image) return false;
  if (of.kind === "scan") return one.quarter === of.quarter;
  return one.quarter === undefined && one.candidate === ["take", "dismiss"].includes(of.kind) && of.objects.includes(one.object);
}

/** @param {number} quarter @param {{width: number, height: number}} size */
function quarterBox(quarter, { width, height }) {
  const [middle, centre] = [Math.floor(height / 2), Math.floor(width / 2)];
  return {
    top: quarter < 2 ? 0 : middle, bottom: quarter < 2 ? middle : height,
    left: quarter % 2 ? centre : 0, right: quarter % 2 ? width : centre,
  };
}

/** Whether a place is inside an outline. @param {number} y @param {number} x @param {[number, number][]} places */
function within(y, x, places) {
  let inside = false;
  places.forEach(([a, b], n) => {
    const [c, d] = places[(n + places.length - 1) % places.length];
    if (a > y !== c > y && x < ((d - b) * (y - a)) / (c - a) + b) inside = !inside;
  });
  return inside;
}
