// A table of any number of objects, of which only the visible rows are in the page.

import { h } from "./dom.js";

const ROW = 28;
const CLASSES = ["missed", "spurious", "split", "merge", "catastrophe"];

/**
 * @typedef {{side: string, id: number, y: number, x: number, area: number, diameter: number, class?: string, iou?: number, event?: number}} Row
 */

/** @param {(row: Row) => void} chosen */
export function objectTable(chosen) {
  /** @type {Row[]} */
  let rows = [];
  /** @type {Row[]} */
  let shown = [];
  let kinds = ["all"];
  /** @type {Record<string, number>} of errors of each class */
  let numbers = {};
  let current = -1, filter = "all", sorted = /** @type {keyof Row} */ ("id"), compared = false, down = false;
  const body = h("tbody"), head = h("tr"), filler = h("div", { className: "filler" });
  const filters = h("div", { className: "filters", role: "group", "aria-label": "Which objects" });
  const scroller = h("div", { className: "rows", tabIndex: 0, "aria-label": "Objects" },
    h("table", {}, h("thead", {}, head), body), filler);
  const count = h("p", { className: "count" });
  const element = h("section", { className: "panel objects" }, h("h2", {}, "Objects"), filters, count, scroller);
  scroller.addEventListener("scroll", () => draw());

  /** @returns {[keyof Row, string][]} */
  const columns = () => compared
    ? [["class", "error"], ["side", "in"], ["id", "id"], ["area", "area, px"], ["iou", "best IoU"]]
    : [["id", "id"], ["area", "area, px"], ["diameter", "diameter, px"]];

  function arrange() {
    const fits = (/** @type {Row} */ row) => filter === "all" || row.class === filter || (filter === "errors" && row.class !== "correct");
    const key = sorted, sign = down ? -1 : 1;
    const order = (/** @type {any} */ a, /** @type {any} */ b) => (a > b ? sign : a < b ? -sign : 0);
    shown = rows.filter(fits).sort((a, b) => order(a[key] ?? "", b[key] ?? "") || a.id - b.id);
    current = -1;
    scroller.scrollTop = 0;
    filler.style.height = `${shown.length * ROW}px`;
    count.textContent = `${shown.length} of ${rows.length}`;
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - 2), many = Math.ceil((scroller.clientHeight || 300) / ROW) + 4;
    head.replaceChildren(...columns().map(([key, text]) => h("th", { scope: "col", "aria-sort": key === sorted ? (down ? "descending" : "ascending") : null },
      h("button", { type: "button", className: "plain", onclick: () => { down = key === sorted ? !down : false; sorted = key; arrange(); } }, text))));
    body.replaceChildren(...shown.slice(first, first + many).map((row, n) => {
      const line = h("tr", { className: first + n === current ? "current" : "", onclick: () => pick(first + n) },
        ...columns().map(([key]) => h("td", {}, key === "side" ? (row.side === "truth" ? "truth" : "pred.") : row[key] ?? "")));
      return line;
    }));
    body.style.transform = `translateY(${first * ROW}px)`;
  }

  function press() {
    filters.replaceChildren(...(kinds.length > 1 ? kinds : []).map((name) => h("button", {
      type: "button", className: "plain", "aria-pressed": String(name === filter),
      onclick: () => { filter = name; press(); arrange(); },
    }, numbers[name] ? `${name} ${numbers[name]}` : name)));
  }

  /** @param {number} position */
  function pick(position) {
    if (!shown.length) return;
    current = (position + shown.length) % shown.length;
    reveal();
    chosen(shown[current]);
  }

  function reveal() {
    const top = current * ROW, height = scroller.clientHeight - ROW;
    if (top < scroller.scrollTop || top > scroller.scrollTop + height - ROW) scroller.scrollTop = top - height / 2;
    draw();
  }

  return {
    element,
    /** @param {Row[]} found @param {Record<string, number>} counts @param {boolean} both */
    fill(found, counts, both) {
      rows = found;
      compared = both;
      const some = both ? CLASSES.filter((name) => counts[name]) : [];
      filter = some.length ? "errors" : "all";
      sorted = both ? "class" : "id";
      kinds = some.length ? ["all", "errors", ...some] : ["all"];
      numbers = counts;
      press();
      arrange();
    },
    /** Show the next kind of error alone. */
    nextKind() {
      filter = kinds[(kinds.indexOf(filter) + 1) % kinds.length];
      press();
      arrange();
    },
    /** @param {number} step */
    step(step) { pick(current < 0 && step < 0 ? -1 : current + step); },
    /** @param {number} layer @param {number} id */
    select(layer, id) {
      current = shown.findIndex((row) => row.id === id && (row.side === "truth" ? 0 : 1) === layer);
      if (current >= 0) reveal(); else draw();
    },
  };
}
