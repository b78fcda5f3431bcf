// Points: a click on each cell of an image without labels, and outlines that the points suggest.

import { get, post } from "./api.js";
import { MISSED, PALETTE } from "./colours.js";
import { contrastPanel, minimap } from "./controls.js";
import { h, problem, setActions, show, status, trail } from "./dom.js";
import { Viewer } from "./viewer.js";

/** @typedef {[number, number]} Place y and x, px */

/** @param {any} start @param {string} collectionId @param {string} fieldId */
export async function pointsPage(start, collectionId, fieldId) {
  const collection = start.collections.find((/** @type {any} */ one) => one.id === collectionId);
  if (!collection) throw new Error("There is no such folder any more.");
  const position = Math.max(0, collection.fields.findIndex((/** @type {any} */ one) => one.id === fieldId));
  const facts = await get(`fields/${fieldId}`), known = await get(`fields/${fieldId}/points`);
  trail([[start.folder, "#/"], ["Points"], [collection.name], [facts.name]]);

  /** @type {Place[]} */
  let points = known.points;
  /** @type {Place[][]} */
  let before = [], after = /** @type {Place[][]} */ ([]);
  let { version } = known, saving = Promise.resolve();
  const viewer = new Viewer((y, x) => click([round(y), round(x)])), contrast = contrastPanel(viewer);
  const title = h("h1"), hint = h("p", { className: "hint", role: "status" }, "Click on each cell. A click on a point removes it."), message = h("div");

  /** @param {Place} place */
  function click([y, x]) {
    const near = points.findIndex(([b, a]) => Math.hypot(b - y, a - x) * viewer.view.zoom < 10);
    if (near >= 0) change(points.filter((_, n) => n !== near));
    else if (viewer.facts && y > -0.5 && x > -0.5 && y < viewer.facts.height - 0.5 && x < viewer.facts.width - 0.5) change([...points, [y, x]]);
  }

  /** @param {Place[]} wanted */
  function change(wanted) {
    before.push(points);
    after = [];
    put(wanted);
  }

  /** @param {Place[]} wanted */
  function put(wanted) {
    points = wanted;
    viewer.paths = [];
    refresh();
    saving = saving.then(save);
  }

  /** Write the points that there are by now; nothing is lost if a click comes meanwhile. */
  async function save() {
    status("saving …");
    try {
      version = (await post(`fields/${fieldId}/points`, { points, version })).version;
      status("saved");
      message.replaceChildren();
    } catch (error) {
      status("not saved");
      message.replaceChildren(problem(error));
    }
  }

  function refresh() {
    viewer.signs = points.map(([y, x]) => ({ y, x, sign: "+", colour: MISSED }));
    title.textContent = `${points.length} point${points.length === 1 ? "" : "s"}`;
    viewer.draw();
  }

  async function propose() {
    hint.textContent = "Outlines are being proposed …";
    try {
      const found = await post(`fields/${fieldId}/points/outlines`, { points });
      viewer.paths = found.outlines.map((/** @type {any} */ one) => ({ places: one.places, colour: PALETTE[0], dashed: true }));
      hint.replaceChildren(`${found.outlines.length} outlines are proposed. To correct them, write them as labels: `,
        h("code", {}, `sparcell label ${collection.name} --from points -o proposed`));
    } catch (error) { hint.textContent = ""; message.replaceChildren(problem(error)); }
    viewer.draw();
  }

  /** @param {Place[][]} from @param {Place[][]} to @param {string} word */
  function back(from, to, word) {
    const last = from.pop();
    if (!last) { hint.textContent = `There is nothing to ${word}.`; return; }
    to.push(points);
    put(last);
  }

  const go = (/** @type {number} */ step) => {
    const other = collection.fields[(position + step + collection.fields.length) % collection.fields.length];
    location.hash = `#/points/${collection.id}/${other.id}`;
  };

  show(h("div", { className: "work" }, h("div", { className: "stage" }, viewer.canvas, minimap(viewer)),
    h("aside", { className: "side" }, h("section", { className: "panel" }, title, h("p", { className: "count" }, `Image ${position + 1} of ${collection.fields.length}: ${facts.name}`), hint, message), contrast.element)));
  setActions([
    { key: "o", shown: "O", text: "propose outlines", run: propose },
    { key: "g", shown: "G", text: "point at the cross", run: () => viewer.clickCentre() },
    { key: "Ctrl+z", shown: "Ctrl+Z", text: "undo", run: () => back(before, after, "undo") },
    { key: "Ctrl+Shift+z", shown: "Ctrl+Shift+Z", text: "redo", run: () => back(after, before, "redo") },
    { key: "a", shown: "A", text: "previous image", run: () => go(-1) },
    { key: "d", shown: "D", text: "next image", run: () => go(1) },
    { key: "i", shown: "I", text: "auto contrast", run: contrast.auto },
    ...viewer.actions(),
  ]);
  viewer.canvas.dataset.tool = "missed";
  viewer.open(facts, (c, l, r, q) => `fields/${fieldId}/tiles/image/${c}/0/0/${l}/${r}/${q}`);
  contrast.refresh();
  refresh();
  return () => viewer.close();
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;
