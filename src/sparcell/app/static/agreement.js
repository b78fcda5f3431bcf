// Agreement: tables of the experts, and a verdict on each finding that they do not share.

import { get, post } from "./api.js";
import { contrastPanel, minimap } from "./controls.js";
import { h, problem, setActions, show, status, trail } from "./dom.js";
import { EXTRA, MATCHED, MISSED, UNSURE } from "./colours.js";
import { Viewer } from "./viewer.js";

/** @param {any} start @param {string} sessionId */
export async function agreementPage(start, sessionId) {
  const session = start.sessions.find((/** @type {any} */ one) => one.id === sessionId);
  if (!session) throw new Error("There is no such session any more.");
  trail([[start.folder, "#/"], [session.name], ["Agreement"]]);
  if (!session.open) {
    show(h("div", { className: "start" }, h("h1", {}, "Agreement"),
      h("p", {}, "The tables appear once all experts have finished: whoever saw the others' verdicts before would not judge blind."),
      h("ul", {}, ...session.progress.map((/** @type {any} */ p) => h("li", {}, `${p.expert}: ${p.sealed ? "sealed" : `${p.cases - p.left} of ${p.cases} cases done`}`)))));
    return undefined;
  }
  const report = await get(`sessions/${sessionId}/agreement`);
  const disputes = disputed(sessionId, report);
  show(h("div", { className: "tables" },
    h("h1", {}, `Agreement of ${report.experts.join(", ")}`),
    ...report.problems.map((/** @type {string} */ text) => problem(`These sums do not fit: ${text}`)),
    h("h2", {}, "Scores of the models, by each expert"),
    h("p", {}, "TP* is the number of objects less the false positives, a lower bound: an object that covers several cells counts once."),
    ...report.experts.map((/** @type {string} */ name) => scores(name, report.rows.filter((/** @type {any} */ row) => row.expert === name))),
    h("h2", {}, "How often the experts counted which numbers"),
    h("p", {}, "Each cell counts cases. On the diagonal both counted the same. Kappa is 0 for chance and 1 for full agreement; 95 % intervals come from a bootstrap over fields."),
    h("div", { className: "matrices" }, ...report.matrices.map(matrix)),
    h("h2", {}, "Agreement on each object, and on each missed cell"),
    objects("First and second: what one expert alone found", report.objects),
    h("h2", {}, "Each expert on what was shown twice"),
    objects("First and second: what was found at one time alone", Object.values(report.consistency)),
    ...(report.differences.length ? [h("h2", {}, "Difference of the models, Dice"), differences(report.differences)] : []),
    disputes.element,
    h("h2", {}, "Make a dataset of the verdicts"),
    h("pre", {}, `sparcell review export ${session.name} -o reviewed${report.models.length > 1 ? ` --model ${report.models[0]}` : ""}`)));
  return disputes.leave;
}

/** @param {string} caption @param {string[]} headers @param {(string | number)[][]} rows */
function table(caption, headers, rows) {
  return h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...headers.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell, n) => (n ? h("td", {}, cell) : h("th", { scope: "row" }, cell))))))));
}

/** @param {number | null} value @param {number} [digits] */
const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));

/** @param {{value: number | null, low: number | null, high: number | null}} one @param {number} [digits] */
const interval = (one, digits = 2) => (one.low === null ? number(one.value, digits) : `${number(one.value, digits)} [${number(one.low, digits)}, ${number(one.high, digits)}]`);

/** @param {string} name @param {any[]} rows */
function scores(name, rows) {
  return table(`Expert ${name}`, ["model", "group", "cases", "TP*", "FP", "FN", "precision", "recall", "Dice", "IoU", "95 % of Dice"],
    rows.map((row) => {
      const s = row.scores, ratios = [s.precision, s.recall, s.dice, s.iou];
      const limits = row.dice.low === null ? "" : `${number(row.dice.low, 3)} to ${number(row.dice.high, 3)}`;
      return [row.model, row.group, row.cases, s.tp, s.fp, s.fn, ...ratios.map((ratio) => (row.note ? "–" : number(ratio, 3))), row.note || limits];
    }));
}

/** @param {any} one */
function matrix(one) {
  const words = { extra: "false positives", missed: "false negatives" };
  const most = Math.max(...one.table.flat(), 1);
  const numbers = one.table.map((/** @type {number[]} */ _, /** @type {number} */ n) => n);
  const shaded = (/** @type {number} */ value, /** @type {boolean} */ same) => {
    const cell = h("td", { className: same ? "same" : "" }, value);
    cell.style.setProperty("--part", String(Math.round((value / most) * 45)));
    return cell;
  };
  const a = one.agreement;
  return h("figure", {}, h("table", { className: "matrix" },
    h("caption", {}, `${one.model}: ${words[/** @type {"extra"} */ (one.kind)]} in each case`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, `${one.experts[0]} ↓  ${one.experts[1]} →`), ...numbers.map((/** @type {number} */ n) => h("th", { scope: "col" }, n)))),
    h("tbody", {}, ...one.table.map((/** @type {number[]} */ row, /** @type {number} */ n) => h("tr", {}, h("th", { scope: "row" }, n), ...row.map((value, m) => shaded(value, n === m)))))),
  h("figcaption", {}, `equal ${interval(a.equal)}, within one ${interval(a.within_one)}; kappa ${interval(a.kappa)}, linear ${interval(a.kappa_linear)}; AC1 ${interval(a.ac1)}, AC2 ${interval(a.ac2_linear)}; sums ${one.totals.join(" and ")}`));
}

/** @param {string} caption @param {any[]} rows */
function objects(caption, rows) {
  return table(caption, ["model", "experts", "both right", "both FP", "first", "second", "kappa", "AC1", "positive", "FN both", "first", "second", "positive"],
    rows.map((one) => {
      const s = one.shared, a = one.agreement;
      return [one.model, [...new Set(one.experts)].join(" / "), s.right, s.both, s.first, s.second, interval(a.kappa), number(a.ac1.value), interval(a.positive), s.missed_both, s.missed_first, s.missed_second, interval(a.missed)];
    }));
}

/** @param {any[]} rows */
function differences(rows) {
  return table("95 %: fields are drawn for both models together", ["expert", "models", "difference"],
    rows.map((one) => [one.expert, `${one.models[0]} less ${one.models[1]}`, interval(one.dice, 4)]));
}

/** The findings that not all share, with the image beside. @param {string} sessionId @param {any} report */
function disputed(sessionId, report) {
  const all = report.disagreements, base = `sessions/${sessionId}`;
  if (!all.length) return { element: h("div", {}, h("h2", {}, "Disagreements"), h("p", {}, "All experts share all findings.")), leave: () => undefined };
  let current = -1, opened = "";
  const viewer = new Viewer(() => undefined), contrast = contrastPanel(viewer), message = h("div");
  const key = (/** @type {any} */ one) => `${one.case} ${one.id}`;
  const cases = [...new Set(all.map((/** @type {any} */ one) => one.case))];
  const items = all.map((/** @type {any} */ one, /** @type {number} */ n) => h("button", { type: "button", className: "plain dispute", onclick: () => go(n) }));

  function label() {
    all.forEach((/** @type {any} */ one, /** @type {number} */ n) => {
      const known = report.judged[key(one)];
      const verdict = known === undefined ? "" : known ? " — stands" : " — does not stand";
      items[n].textContent = `Case ${cases.indexOf(one.case) + 1}: ${one.kind === "extra" ? `object ${one.object} false` : "missed cell"}, by ${one.experts.join(", ")}${verdict}`;
      items[n].setAttribute("aria-pressed", String(n === current));
    });
  }

  /** @param {number} n */
  async function go(n) {
    current = (n + all.length) % all.length;
    const one = all[current];
    label();
    try {
      const found = await get(`${base}/findings/${one.case}`);
      if (opened !== one.case) {
        viewer.open(found, (c, l, r, q) => `${base}/cases/${one.case}/tiles/image/${c}/${found.t}/${found.z}/${l}/${r}/${q}`);
        viewer.setLayer(1, (l, r, q) => `${base}/cases/${one.case}/tiles/objects/0/0/0/${l}/${r}/${q}`, MATCHED);
        contrast.refresh();
        opened = one.case;
      }
      const colours = new Uint32Array(found.objects + 1).fill(MATCHED);
      found.marks.forEach((/** @type {any} */ m) => { if (m.object) colours[m.object] = m.kind === "extra" ? EXTRA : UNSURE; });
      viewer.colour(1, colours, MATCHED);
      viewer.signs = found.marks.filter((/** @type {any} */ m) => !m.object).map((/** @type {any} */ m) => ({ y: m.y, x: m.x, sign: `${m.kind === "missed" ? "○" : "✕"} ${m.expert}`, colour: m.kind === "missed" ? MISSED : EXTRA }));
      viewer.selected = one.object ? { layer: 1, id: one.object } : null;
      const place = found.places?.find((/** @type {number[]} */ [id]) => id === one.object);
      viewer.go(place ? place[1] : one.y, place ? place[2] : one.x, found.diameter || 20);
      message.replaceChildren();
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  /** @param {boolean} stands */
  async function judge(stands) {
    if (current < 0) return;
    const one = all[current];
    status("saving …");
    try {
      await post(`${base}/judgements`, { case: one.case, text: one.id, stands });
      status("saved");
      report.judged[key(one)] = stands;
      label();
      if (current + 1 < all.length) await go(current + 1);
    } catch (error) { status("not saved"); message.replaceChildren(problem(error)); }
  }

  label();
  setActions([
    { key: "p", shown: "P", text: "previous finding", run: () => go(current - 1) },
    { key: "n", shown: "N", text: "next finding", run: () => go(current + 1) },
    { key: "y", shown: "Y", text: "it stands", run: () => judge(true) },
    { key: "x", shown: "X", text: "it does not", run: () => judge(false) },
    ...contrast.actions(),
    ...viewer.actions(),
  ]);
  const element = h("section", {}, h("h2", {}, `${all.length} finding${all.length === 1 ? "" : "s"} that not all experts share`),
    h("p", {}, "Look at each together, and decide. What remains undecided is ignored in a dataset of the verdicts."), message,
    h("div", { className: "work disputes" }, h("div", { className: "stage" }, viewer.canvas, minimap(viewer)),
      h("aside", { className: "side" }, h("div", { className: "list" }, ...items), contrast.element)));
  return { element, leave: () => viewer.close() };
}
