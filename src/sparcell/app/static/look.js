// Look: an image with labels, the errors between two of them, and a table to go from object to object.

import { get } from "./api.js";
import { contrastPanel, minimap } from "./controls.js";
import { h, problem, refreshActions, setActions, show, trail } from "./dom.js";
import { css, EXTRA, MATCHED, MISSED } from "./colours.js";
import { planeSliders } from "./planes.js";
import { trackColours, trackPaths, tracksLegend } from "./tracks.js";
import { Viewer } from "./viewer.js";
import { objectTable } from "./table.js";

/** @param {any} start @param {string} collectionId @param {string} fieldId */
export async function lookPage(start, collectionId, fieldId) {
  const collection = start.collections.find((/** @type {any} */ one) => one.id === collectionId);
  if (!collection) throw new Error("There is no such folder any more.");
  const position = Math.max(0, collection.fields.findIndex((/** @type {any} */ one) => one.id === fieldId));
  const facts = await get(`fields/${fieldId}`);
  trail([[start.folder, "#/"], [collection.name], [facts.name]]);

  let plane = { t: 0, z: 0 }, stained = false, lines = true;
  let chosen = usualLayers(facts.layers, collection.name);
  const tracked = () => facts.layers.find((/** @type {any} */ one) => one.tracked && chosen.includes(one.id));
  const viewer = new Viewer((y, x, ids) => {
    const layer = ids[1] ? 1 : 0, id = ids[layer];
    viewer.selected = id ? { layer, id } : null;
    if (id) table.select(layer, id);
    viewer.draw();
  });
  const contrast = contrastPanel(viewer), note = h("div"), key = h("p", { className: "legend" });
  const table = objectTable((row) => {
    viewer.selected = { layer: row.side === "truth" ? 0 : 1, id: row.id };
    viewer.go(row.y, row.x, row.diameter);
  });
  const planes = planeSliders(showPlane);
  let tables = 0, ahead = 0;

  const kind = () => (stained ? "stain" : "image");
  const imageAt = (/** @type {string} */ source, at = plane) => (/** @type {number} */ c, /** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) =>
    `fields/${fieldId}/tiles/${source}/${c}/${at.t}/${at.z}/${l}/${r}/${q}`;
  const labelsAt = (at = plane) => chosen.map((id) => (id ? (/** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) => imageAt(id, at)(0, l, r, q) : null));
  const aboutPlane = (at = plane) => get(`fields/${fieldId}/about/${kind()}?t=${at.t}&z=${at.z}`);

  async function openImage(keep = false) {
    viewer.open(keep ? await aboutPlane() : facts, imageAt(kind()), keep);
    contrast.refresh();
  }

  /** @param {number} t @param {number} z */
  async function showPlane(t, z) {
    const at = { t, z }, about = await aboutPlane(at);
    if (!await viewer.openPlane(about, imageAt(kind(), at), labelsAt(at))) return;
    plane = at;
    contrast.refresh();
    if (!tracked()) {
      viewer.selected = null;
      if (chosen[0] && chosen[1]) [0, 1].forEach((place) => viewer.colour(place, new Uint32Array(0), place ? EXTRA : MISSED));
    }
    await showTracks();
    // The table follows when the movie stands still.
    clearTimeout(tables);
    tables = setTimeout(fillTable, 300);
    const next = { t: (t + 1) % facts.times, z: facts.times > 1 ? z : (z + 1) % facts.depths };
    viewer.fetchAhead(about, imageAt(kind(), next), labelsAt(next).flatMap((one) => one ?? []));
  }

  async function openLabels() {
    labelsAt().forEach((address, place) => viewer.setLayer(place, address));
    key.replaceChildren(...(tracked() ? tracksLegend() : legend()));
    refreshActions();
    await showTracks();
    await fillTable();
  }

  async function showTracks() {
    const layer = tracked();
    viewer.paths = [];
    if (!layer) { viewer.draw(); return; }
    try {
      const found = await get(`fields/${fieldId}/tracks/${layer.id}?t=${plane.t}`);
      const place = chosen.indexOf(layer.id);
      if (viewer.layers[place]?.colours.length !== found.most + 1) viewer.colour(place, trackColours(found.most), MATCHED);
      if (lines) viewer.paths = trackPaths(found);
    } catch (error) { note.replaceChildren(problem(error)); }
    viewer.draw();
  }

  async function fillTable() {
    note.replaceChildren();
    const [first, second] = chosen[0] && chosen[1] ? chosen : [chosen[0] || chosen[1], ""], { t, z } = plane;
    if (!first) { table.fill([], {}, false); return; }
    try {
      const found = await get(`fields/${fieldId}/objects?layer=${first}&other=${second}&t=${t}&z=${z}`);
      if (t !== plane.t || z !== plane.z) return;
      const side = chosen[0] ? "truth" : "pred";
      table.fill(found.rows.map((/** @type {any} */ row) => ({ side, ...row })), found.counts, Boolean(second));
      if (second && !tracked()) colourErrors(viewer, found.rows);
    } catch (error) {
      table.fill([], {}, false);
      note.replaceChildren(problem(error));
    }
  }

  const other = (/** @type {number} */ step) => collection.fields[(position + step + collection.fields.length) % collection.fields.length];
  const go = (/** @type {number} */ step) => { location.hash = `#/look/${collection.id}/${other(step).id}`; };

  /** Fetch what the next image shows at first. */
  async function fetchNext() {
    const { id } = other(1);
    if (id === fieldId) return;
    const next = await get(`fields/${id}`).catch(() => null);
    if (!next || !viewer.facts) return;
    const tiles = (/** @type {string} */ source) => (/** @type {number} */ c, /** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) => `fields/${id}/tiles/${source}/${c}/0/0/${l}/${r}/${q}`;
    const labels = usualLayers(next.layers, collection.name).filter(Boolean).map((one) => (/** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) => tiles(one)(0, l, r, q));
    viewer.fetchAhead(next, tiles("image"), labels, true);
  }

  /** @param {number} place @param {string} text */
  const layerChoice = (place, text) => h("label", {}, h("span", {}, text),
    h("select", { onchange: (/** @type {any} */ e) => { chosen[place] = e.target.value; viewer.selected = null; openLabels(); } },
      h("option", { value: "" }, "none"),
      ...facts.layers.map((/** @type {any} */ one) => h("option", { value: one.id, selected: one.id === chosen[place] }, one.name))));

  const side = h("aside", { className: "side" },
    h("section", { className: "panel" }, h("h1", {}, facts.name), layerChoice(0, "truth"), layerChoice(1, "prediction"), key),
    planes.element, contrast.element, note, table.element);
  const select = h("select", { className: "fields", "aria-label": "Image",
    onchange: (/** @type {any} */ e) => { location.hash = `#/look/${collection.id}/${e.target.value}`; } },
  ...collection.fields.map((/** @type {any} */ one) => h("option", { value: one.id, selected: one.id === fieldId }, one.split ? `${one.name} (${one.split})` : one.name)));
  show(h("div", { className: "work" }, h("div", { className: "stage" }, viewer.canvas, minimap(viewer), select), side));

  setActions([
    { key: "a", shown: "A", text: "previous image", run: () => go(-1) },
    { key: "d", shown: "D", text: "next image", run: () => go(1) },
    ...planes.actions(),
    { key: "p", shown: "P", text: "previous row", run: () => table.step(-1) },
    { key: "n", shown: "N", text: "next row", run: () => table.step(1) },
    { key: "e", shown: "E", text: "kind of error", when: () => Boolean(chosen[0] && chosen[1]), run: () => table.nextKind() },
    { key: "l", shown: "L", text: "paths", when: () => Boolean(tracked()), on: () => lines, run: () => { lines = !lines; showTracks(); refreshActions(); } },
    { key: "t", shown: "T", text: "stain", when: () => facts.stain, on: () => stained, run: () => { stained = !stained; openImage(true); refreshActions(); } },
    ...contrast.actions(),
    ...viewer.actions(),
  ]);
  planes.fill(facts);
  await openImage();
  await openLabels();
  ahead = setTimeout(fetchNext, 500);
  return () => { planes.stop(); clearTimeout(tables); clearTimeout(ahead); viewer.close(); };
}

/** The dataset's labels as truth, and the first others as prediction; without truth, tracks first. @param {{id: string, name: string, predicted: boolean, tracked: boolean}[]} layers @param {string} own */
function usualLayers(layers, own) {
  const drawn = layers.filter((one) => !one.predicted);
  const truth = drawn.find((one) => one.name === own) ?? (layers.length > 1 ? drawn[0] : undefined);
  const found = (truth ? undefined : layers.find((one) => one.tracked)) ?? layers.find((one) => one !== truth);
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
  return [entry(MATCHED, "matched"), entry(EXTRA, "only predicted, or wrong"), entry(MISSED, "only in the truth, or wrong")];
}
