// Compare: an old and a new model on the same held-out images, and the decision to keep the new one.

import { get, post } from "./api.js";
import { ask, h, problem, show, status, trail } from "./dom.js";

/** @param {any} start */
export async function comparePage(start) {
  trail([[start.folder, "#/"], ["Compare models"]]);
  const { comparisons } = await get("comparisons");
  const message = h("div");
  show(h("div", { className: "tables" }, h("h1", {}, "Compare models"),
    h("p", {}, "A new model is compared with the old one on test images that neither was trained on. It is used only after you keep it."), message,
    ...(comparisons.length ? comparisons.map((/** @type {any} */ one) => section(start, one, message)) : [h("p", {}, "There is no comparison yet.")]),
    h("p", {}, h("a", { href: `#/run/${encodeURIComponent("models compare")}` }, "Compare two models"))));
}

/** @param {any} start @param {any} one @param {any} message */
function section(start, one, message) {
  const decided = h("p", { role: "status" });
  const better = one.verdict === "better";
  const keep = h("button", { type: "button", className: better ? "" : "plain", onclick: () => decide(true) }, "Keep the new model");
  const drop = h("button", { type: "button", className: better ? "plain" : "", onclick: () => decide(false) }, "Drop it");

  function label() {
    const known = one.decision;
    decided.textContent = known.keep === undefined ? "" : known.keep ? `Kept as models/${known.model}.` : "Dropped. The old model stays in use.";
    keep.setAttribute("aria-pressed", String(known.keep === true));
    drop.setAttribute("aria-pressed", String(known.keep === false));
  }

  /** @param {boolean} wanted */
  async function decide(wanted) {
    if (wanted && one.verdict === "worse" && !(await ask("The new model is worse on these images. Keep it all the same?", "Keep it"))) return;
    try {
      one = await post("comparisons", { id: one.id, keep: wanted });
      status("saved");
      label();
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  label();
  const layers = start.collections.find((/** @type {any} */ c) => c.name === one.data);
  const look = (/** @type {string} */ name) => {
    const field = layers?.fields.find((/** @type {any} */ f) => f.name === name);
    return field ? h("a", { href: `#/look/${layers.id}/${field.id}` }, name) : name;
  };
  return h("section", { className: "comparison", "data-verdict": one.verdict },
    h("h2", {}, `${one.new} beside ${one.old}`), h("p", { className: `verdict ${one.verdict === "better" ? "good" : one.verdict === "worse" ? "bad" : ""}` }, one.sentence),
    h("div", { className: "row" }, keep, drop), decided,
    h("details", {}, h("summary", {}, `${one.images.length} images, those that lost most first`),
      h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "scores of the images" }, h("table", {},
        h("thead", {}, h("tr", {}, ...["image", "objects", "AP50 old", "AP50 new", "difference"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, ...one.images.map((/** @type {any} */ row) => h("tr", {}, h("th", { scope: "row" }, look(row.name)), ...[row.objects, row.old.toFixed(3), row.new.toFixed(3), signed(row.new - row.old)].map((text) => h("td", {}, text)))))))));
}

/** @param {number} value */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
