// Look: an image with labels, the errors between two of them, and a table to go from object to object.

import { get } from "./api.js";
import { contrastPanel, minimap } from "./controls.js";
import { h, problem, refreshActions, setActions, show, trail } from "./dom.js";
import { css, EXTRA, MATCHED, MISSED } from "./colours.js";
import { Viewer } from "./viewer.js";
import { objectTable } from "./table.js";

/** @param {any} start @param {string} collectionId @param {string} fieldId */
export async function lookPage(start, collectionId, fieldId) {
  const collection = start.collections.find((/** @type {any} */ one) => one.id === collectionId);
  if (!collection) throw new Error("There is no such folder any more.");
  const position = Math.max(0, collection.fields.findIndex((/** @type {any} */ one) => one.id === fieldId));
  const facts = await get(`fields/${fieldId}`);
  trail([[start.folder, "#/"], [collection.name], [facts.name]]);

  let plane = { t: 0, z: 0 }, stained = false;
  let chosen = usualLayers(facts.layers, collection.name);
  const viewer = new Viewer((y, x, ids) => {
    const layer = ids[1] ? 1 : 0, id = ids[layer];
    viewer.selected = id ? { layer, id } : null;
    if (id) table.select(layer, id);
    viewer.draw();
  });
  const contrast = contrastPanel(viewer);
  const table = objectTable((row) => {
    viewer.selected = { layer: row.side === "truth" ? 0 : 1, id: row.id };
    viewer.go(row.y, row.x, row.diameter);
  });
  const note = h("div");

  const address = (/** @type {string} */ kind) => (/** @type {number} */ c, /** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) =>
    `fields/${fieldId}/tiles/${kind}/${c}/${plane.t}/${plane.z}/${l}/${r}/${q}`;

  async function openImage(keep = false) {
    const kind = stained ? "stain" : "image";
    const about = keep ? await get(`fields/${fieldId}/about/${kind}?t=${plane.t}&z=${plane.z}`) : facts;
    viewer.open(about, address(kind), keep);
    contrast.refresh();
  }

  async function openLabels() {
    [0, 1].forEach((place) => viewer.setLayer(place, chosen[place] ? (l, r, q) => address(chosen[place])(0, l, r, q) : null));
    note.replaceChildren();
    const [first, second] = chosen[0] && chosen[1] ? chosen : [chosen[0] || chosen[1], ""];
    if (!first) { table.fill([], {}, false); return; }
    try {
      const found = await get(`fields/${fieldId}/objects?layer=${first}&other=${second}&t=${plane.t}&z=${plane.z}`);
      const side = chosen[0] ? "truth" : "pred";
      table.fill(found.rows.map((/** @type {any} */ row) => ({ side, ...row })), found.counts, Boolean(second));
      if (second) colourErrors(viewer, found.rows);
    } catch (error) {
      table.fill([], {}, false);
      note.replaceChildren(problem(error));
    }
  }

  const go = (/** @type {number} */ step) => {
    const other = collection.fields[(position + step + collection.fields.length) % collection.fields.length];
    location.hash = `#/look/${collection.id}/${other.id}`;
  };

  /** @param {number} place @param {string} text */
  const layerChoice = (place, text) => h("label", {}, h("span", {}, text),
    h("select", { onchange: (/** @type {any} */ e) => { chosen[place] = e.target.value; openLabels(); } },
      h("option", { value: "" }, "none"),
      ...facts.layers.map((/** @type {any} */ one) => h("option", { value: one.id, selected: one.id === chosen[place] }, one.name))));
  /** @param {"t" | "z"} axis @param {number} count @param {string} text */
  const planeChoice = (axis, count, text) => {
    const shown = h("output", {}, "1");
    return count > 1 && h("label", {}, h("span", {}, text), h("input", { type: "range", min: 0, max: count - 1, value: 0,
      oninput: (/** @type {any} */ e) => { plane = { ...plane, [axis]: Number(e.target.value) }; shown.value = String(plane[axis] + 1); },
      onchange: () => { openImage(true); openLabels(); } }), shown);
  };

  const side = h("aside", { className: "side" },
    h("section", { className: "panel" }, h("h1", {}, facts.name),
      layerChoice(0, "truth"), layerChoice(1, "prediction"), legend(),
      planeChoice("t", facts.times, "time"), planeChoice("z", facts.depths, "depth")),
    contrast.element, note, table.element);
  const select = h("select", { className: "fields", "aria-label": "Image",
    onchange: (/** @type {any} */ e) => { location.hash = `#/look/${collection.id}/${e.target.value}`; } },
  ...collection.fields.map((/** @type {any} */ one) => h("option", { value: one.id, selected: one.id === fieldId }, one.split ? `${one.name} (${one.split})` : one.name)));
  show(h("div", { className: "work" }, h("div", { className: "stage" }, viewer.canvas, minimap(viewer), select), side));

  setActions([
    { key: "a", shown: "A", text: "previous image", run: () => go(-1) },
    { key: "d", shown: "D", text: "next image", run: () => go(1) },
    { key: "p", shown: "P", text: "previous row", run: () => table.step(-1) },
    { key: "n", shown: "N", text: "next row", run: () => table.step(1) },
    ...(facts.stain ? [{ key: "t", shown: "T", text: "stain", on: () => stained, run: () => { stained = !stained; openImage(true); refreshActions(); } }] : []),
    { key: "i", shown: "I", text: "auto contrast", run: contrast.auto },
    ...viewer.actions(),
  ]);
  await openImage();
  await openLabels();
  return () => viewer.close();
}

/** The dataset's labels as truth, and the first others as prediction. @param {{id: string, name: string, predicted: boolean}[]} layers @param {string} own */
function usualLayers(layers, own) {
  const drawn = layers.filter((one) => !one.predicted);
  const truth = drawn.find((one) => one.name === own) ?? (layers.length > 1 ? drawn[0] : undefined);
  const found = layers.find((one) => one !== truth);
  return [truth?.id ?? "", found?.id ?? ""];
}

/** @param {Viewer} viewer @param {any[]} rows */
function colourErrors(viewer, rows) {
  const most = rows.reduce((high, row) => Math.max(high, row.id), 0);
  const [truth, found] = [new Uint32Array(most + 1), new Uint32Array(most + 1)];
  for (const row of rows) {
    if (row.side === "truth") truth[row.id] = row.class === "correct" ? 0 : MISSED;
    else found[row.id] = row.class === "correct" ? MATCHED : EXTRA;
  }
  viewer.colour(0, truth, MISSED);
  viewer.colour(1, found, EXTRA);
}

function legend() {
  const entry = (/** @type {number} */ colour, /** @type {string} */ text) => {
    const swatch = h("i", { className: "swatch" });
    swatch.style.background = css(colour);
    return h("span", {}, swatch, text);
  };
  return h("p", { className: "legend" }, entry(MATCHED, "matched"), entry(EXTRA, "only predicted, or wrong"), entry(MISSED, "only in the truth, or wrong"));
}
