// Blind review: one case after the other, with marks that are saved at once.

import { get, newId, post } from "./api.js";
import { contrastPanel, minimap } from "./controls.js";
import { ask, askText, byId, h, problem, refreshActions, setActions, setHint, show, status, trail } from "./dom.js";
import { planeSliders } from "./planes.js";
import { EXTRA, MATCHED, MISSED, UNSURE } from "./colours.js";
import { Viewer } from "./viewer.js";
import { Outbox } from "./outbox.js";

const TOOLS = { extra: "false object", missed: "missed cell", part: "false part", unsure: "unsure" };

const HINTS = {
  extra: "Click an object that is no cell, or go to it with N and press X.",
  missed: "Click a cell without outline, or move it to the cross with arrows and press G.",
  part: "Click the part of an object that is false.",
  unsure: "Click an object that you cannot judge, or go to it with N and press U.",
};

/** @param {any} start @param {string} sessionId @param {string} [wanted] */
export async function blindPage(start, sessionId, wanted) {
  const session = start.sessions.find((/** @type {any} */ one) => one.id === sessionId);
  if (!session) throw new Error("There is no such session any more.");
  const overview = await get(`sessions/${sessionId}`);
  trail([["Reviews", "#/"], [session.name]]);
  const base = `sessions/${sessionId}`;
  /** @type {{id: string, done: boolean}[]} */
  const cases = overview.cases;
  if (overview.sealed) { show(finished(session)); return undefined; }

  /** @type {keyof typeof TOOLS} */
  let tool = "extra";
  let stained = false, opened = Date.now(), plane = { t: 0, z: 0 }, ahead = 0;
  /** @type {string[]} events that were undone in this visit, the last one last */
  let undone = [];
  /** @type {any} */
  let state = null;
  let position = Math.max(0, cases.findIndex((one) => (wanted ? one.id === wanted : !one.done)));
  let current = -1;

  const viewer = new Viewer((y, x, ids, event) => mark(y, x, ids[1], event.shiftKey));
  const contrast = contrastPanel(viewer);
  const title = h("h1", { className: "progress" }), marks = h("ul", { className: "marks" }), message = h("div");
  const planes = planeSliders(showPlane);
  const outbox = new Outbox(`${base}/events`, (answer) => {
    message.replaceChildren();
    if (answer && answer.id === cases[position].id) update(answer);
  }, (error) => message.replaceChildren(problem(error)));

  /** @param {Record<string, any>} event */
  const send = (event) => outbox.send({ case: cases[position].id, seconds: Math.round((Date.now() - opened) / 1000), ...event });

  /** @param {number} y @param {number} x @param {number} id @param {boolean} part */
  function mark(y, x, id, part) {
    if (!state) return;
    if (elsewhere()) { message.replaceChildren(problem("Marks belong to the frame that is judged. Press Home to return to it.")); return; }
    undone = [];
    const kind = part && tool === "extra" ? "part" : tool;
    const near = state.marks.find((/** @type {any} */ m) => !m.object && Math.hypot(m.y - y, m.x - x) * viewer.view.zoom < 12);
    if (near) { send({ kind: "undo", case: "", text: near.id }); return; }
    if (kind === "missed") { send({ kind, y: round(y), x: round(x) }); return; }
    if (!id) { message.replaceChildren(problem("There is no object here. To mark a missed cell, press F first.")); return; }
    if (kind === "part") { send({ kind: "extra", y: round(y), x: round(x) }); return; }
    toggle(kind, id);
  }

  /** @param {"extra" | "unsure"} kind @param {number} id */
  function toggle(kind, id) {
    const before = state.marks.filter((/** @type {any} */ m) => m.object === id);
    before.forEach((/** @type {any} */ m) => send({ kind: "undo", case: "", text: m.id }));
    if (!before.some((/** @type {any} */ m) => m.kind === kind)) send({ kind, object: id });
  }

  /** Show what the server has saved. @param {any} answer */
  function update(answer) {
    state = { ...state, ...answer };
    cases[position].done = state.done;
    const places = new Map(state.places.map((/** @type {number[]} */ [id, y, x]) => [id, { y, x }]));
    const colours = new Uint32Array(state.objects + 1).fill(MATCHED);
    const signs = { extra: "✕", missed: "○", unsure: "?" };
    const shades = { extra: EXTRA, missed: MISSED, unsure: UNSURE };
    const signed = state.marks.map((/** @type {any} */ m) => {
      const kind = /** @type {keyof typeof signs} */ (m.kind);
      if (m.object) colours[m.object] = shades[kind];
      return { ...(m.object ? places.get(m.object) : { y: m.y, x: m.x }), sign: signs[kind], colour: shades[kind] };
    });
    // Outlines and marks belong to one plane alone.
    viewer.signs = elsewhere() ? [] : signed;
    viewer.colour(1, elsewhere() ? colours.fill(0) : colours, MATCHED);
    const count = (/** @type {string} */ kind) => state.marks.filter((/** @type {any} */ m) => m.kind === kind).length;
    const left = cases.filter((one) => !one.done).length;
    title.textContent = `Case ${position + 1} of ${cases.length}${state.done ? ", done" : ""}`;
    marks.replaceChildren(...[
      h("li", {}, `${state.objects} objects`), h("li", {}, `✕ ${count("extra")} false`), h("li", {}, `○ ${count("missed")} missed`),
      h("li", {}, `? ${count("unsure")} unsure`), ...state.comments.map((/** @type {string} */ text) => h("li", { className: "comment" }, text)),
      h("li", {}, left ? `${left} cases left` : "all cases are done"),
      left ? null : h("li", {}, h("button", { type: "button", onclick: seal }, "Finish the review")),
    ].filter(Boolean));
    refreshActions();
  }

  const elsewhere = () => Boolean(state) && (plane.t !== state.t || plane.z !== state.z);
  /** @param {string} id @param {string} kind @param {{t: number, z: number}} at */
  const imageAt = (id, kind, at) => (/** @type {number} */ c, /** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) => `${base}/cases/${id}/tiles/${kind}/${c}/${at.t}/${at.z}/${l}/${r}/${q}`;
  /** @param {string} id */
  const objectsOf = (id) => (/** @type {number} */ l, /** @type {number} */ r, /** @type {number} */ q) => imageAt(id, "objects", { t: 0, z: 0 })(0, l, r, q);

  /** @param {any} [known] */
  async function openPixels(known) {
    const kind = stained ? "stain" : "image", { id } = cases[position], keep = !known;
    const about = known ?? await get(`${base}/cases/${id}/about/${kind}?t=${plane.t}&z=${plane.z}`);
    viewer.open(about, imageAt(id, kind, plane), keep);
    contrast.refresh();
  }

  /** @param {number} t @param {number} z */
  async function showPlane(t, z) {
    const kind = stained ? "stain" : "image", { id } = cases[position], at = { t, z };
    const about = await get(`${base}/cases/${id}/about/${kind}?t=${t}&z=${z}`);
    if (id !== cases[position].id || !await viewer.openPlane(about, imageAt(id, kind, at), [])) return;
    plane = at;
    if (elsewhere()) viewer.selected = null;
    if (state) update(state);
  }

  /** Fetch what the next case shows at first. */
  async function fetchNext() {
    const { id } = cases[(position + 1) % cases.length];
    if (id === cases[position].id) return;
    const next = await get(`${base}/cases/${id}`).catch(() => null);
    if (next && viewer.facts) viewer.fetchAhead(next, imageAt(id, "image", next), [objectsOf(id)], true);
  }

  /** @param {number} to */
  async function open(to) {
    await outbox.empty();
    position = (to + cases.length) % cases.length;
    const id = cases[position].id;
    history.replaceState(null, "", `#/review/${sessionId}/${id}`);
    Object.assign(viewer, { selected: null, signs: [], cross: false });
    [stained, undone, current, opened] = [false, [], -1, Date.now()];
    state = null;
    try {
      const found = await get(`${base}/cases/${id}`);
      if (id !== cases[position].id) return;
      plane = { t: found.t, z: found.z };
      await openPixels(found);
      viewer.setLayer(1, objectsOf(id), MATCHED);
      planes.fill(found, found.t, found.z);
      state = found;
      update(found);
      clearTimeout(ahead);
      ahead = setTimeout(fetchNext, 300);
      message.replaceChildren();
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  async function done() {
    if (!state) return;
    send({ kind: "done" });
    await outbox.empty();
    const next = cases.findIndex((one, n) => !one.done && n > position);
    const first = next < 0 ? cases.findIndex((one) => !one.done) : next;
    if (first >= 0) await open(first);
  }

  function undo() {
    const last = state?.undo.at(-1);
    if (!last) return;
    const id = newId();
    undone.push(id);
    send({ kind: "undo", case: "", text: last, id });
  }

  function redo() {
    const last = undone.pop();
    if (last) send({ kind: "undo", case: "", text: last });
  }

  /** @param {number} step */
  function step(step) {
    if (!state?.places.length) return;
    current = (current + step + state.places.length + (current < 0 && step < 0 ? 1 : 0)) % state.places.length;
    const [id, y, x] = state.places[current];
    viewer.selected = { layer: 1, id };
    viewer.go(y, x, state.diameter);
  }

  async function seal() {
    const yes = await ask("After this you cannot change your verdicts. The others can compare theirs with yours once all experts have finished.", "Finish the review");
    if (!yes) return;
    await outbox.empty();
    try { await post(`${base}/seal`, {}); show(finished(session)); setActions([]); } catch (error) { message.replaceChildren(problem(error)); }
  }

  /** @param {keyof typeof TOOLS} name @param {string} key */
  const choose = (name, key) => ({ key: key.toLowerCase(), shown: key, text: TOOLS[name], on: () => tool === name, run: () => {
    const id = viewer.selected?.id;
    if (id && (name === "extra" || name === "unsure") && state) { undone = []; toggle(name, id); }
    tool = name;
    viewer.canvas.dataset.tool = name;
    refreshActions();
  } });

  show(h("div", { className: "work" }, h("div", { className: "stage" }, viewer.canvas, minimap(viewer)),
    h("aside", { className: "side" }, h("section", { className: "panel" }, title, marks, message), planes.element, contrast.element)));
  setActions([
    choose("extra", "X"), choose("missed", "F"), choose("part", "V"), choose("unsure", "U"),
    { key: "g", shown: "G", text: "mark at the cross", run: () => viewer.clickCentre() },
    { key: "c", shown: "C", text: "comment", run: async () => { const text = await askText("Comment on this case"); if (text) send({ kind: "comment", text }); } },
    { key: "Enter", text: "case done", run: done },
    { key: "Ctrl+z", shown: "Ctrl+Z", text: "undo", run: undo },
    { key: "Ctrl+Shift+z", shown: "Ctrl+Shift+Z", text: "redo", run: redo },
    { key: "a", shown: "A", text: "previous", run: () => open(position - 1) },
    { key: "d", shown: "D", text: "next", run: () => open(position + 1) },
    { key: "p", shown: "P", text: "previous object", run: () => step(-1) },
    { key: "n", shown: "N", text: "next object", run: () => step(1) },
    { key: "t", shown: "T", text: "stain", on: () => stained, run: () => { if (!state?.stain) { message.replaceChildren(problem("This image has no stain.")); return; } stained = !stained; if (stained) send({ kind: "stain" }); openPixels(); refreshActions(); } },
    ...planes.actions(),
    { key: "Home", text: "frame that is judged", when: elsewhere, run: () => planes.go(state.t, state.z) },
    ...contrast.actions(),
    { key: "Escape", shown: "Esc", text: "select nothing", run: () => { viewer.selected = null; viewer.draw(); } },
    ...viewer.actions(),
  ]);
  setHint(() => HINTS[tool]);
  viewer.canvas.dataset.tool = tool;
  await outbox.empty();
  await open(position);
  return () => { outbox.close(); planes.stop(); clearTimeout(ahead); viewer.close(); };
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

/** @param {any} session */
function finished(session) {
  byId("saved").textContent = "";
  return h("div", { className: "start" }, h("h1", {}, "Thank you: this review is finished"),
    h("p", {}, "Your verdicts are sealed. Once all experts have finished, the agreement can be seen."),
    h("p", {}, h("a", { href: `#/agreement/${session.id}` }, "Agreement of the experts")));
}
