// The first page: what is in the folder, and what can be done with it.

import { h, problem, show, trail } from "./dom.js";

const EXPLAINED = [
  "This page shows the images of one folder with what was found in them, and nothing of it leaves this computer.",
  "Look draws labels and predictions over an image and takes you from error to error.",
  "Correct shows the most uncertain objects first; what you correct becomes data to train on.",
  "In a blind review, experts mark false and missed objects without knowing which model made them.",
];

/** @param {any} start */
export async function startPage(start) {
  trail([[start.folder]]);
  const owner = start.role === "";
  const sections = [
    h("section", { className: "intro" },
      h("h1", {}, owner ? `Folder ${start.folder}` : `Blind review by ${start.role}`),
      ...(owner ? EXPLAINED.map((text) => h("p", {}, text)) : [h("p", {}, "You see one image at a time with outlines of what a program found. Mark what is wrong and what it missed; each mark is saved at once. Nobody sees your marks before all experts are done.")])),
  ];
  if (owner) sections.push(images(start), corrections(start));
  if (owner && start.runs) sections.push(commands());
  sections.push(reviews(start, owner));
  show(h("div", { className: "start" }, ...sections));
}

/** @param {any} start */
function images(start) {
  const kinds = { dataset: "dataset", predictions: "result of predict", images: "images" };
  return h("section", {}, h("h2", {}, "Look"),
    start.collections.length ? h("ul", { className: "cards" }, ...start.collections.map((/** @type {any} */ one) =>
      h("li", {}, h("a", { href: `#/look/${one.id}/${one.fields[0].id}` }, h("b", {}, one.name),
        h("span", {}, `${kinds[/** @type {"images"} */ (one.kind)]}, ${one.fields.length} image${one.fields.length === 1 ? "" : "s"}`)))))
      : h("p", {}, "There is no image in this folder. Start the app with a folder that has some: ", h("code", {}, "sparcell app FOLDER")));
}

function commands() {
  return h("section", {}, h("h2", {}, "Run"), h("ul", { className: "cards" },
    h("li", {}, h("a", { href: "#/run" }, h("b", {}, "Run a command"), h("span", {}, "label, train, predict, measure, track and more, by form"))),
    h("li", {}, h("a", { href: "#/compare" }, h("b", {}, "Compare models"), h("span", {}, "old and new on the same test images; keep or drop")))));
}

/** @param {any} start */
function corrections(start) {
  const items = start.corrections.map((/** @type {any} */ one) => (one.problem ? h("li", {}, h("b", {}, one.name), problem(one.problem))
    : h("li", {}, h("a", { href: `#/correct/${one.id}` }, h("b", {}, one.name), h("span", {}, `${one.objects} objects, ${one.left} left to look at`)))));
  const bare = start.collections.filter((/** @type {any} */ one) => one.kind === "dataset").map((/** @type {any} */ one) =>
    h("li", {}, h("a", { href: `#/points/${one.id}/${one.fields[0].id}` }, h("b", {}, `Points in ${one.name}`), h("span", {}, "a click on each cell, for images without labels"))));
  return h("section", {}, h("h2", {}, "Correct"),
    items.length || bare.length ? h("ul", { className: "cards" }, ...items, ...bare) : null,
    h("p", {}, "A correction starts from a prediction: ", h("code", {}, "sparcell review correct PREDICTED -o correction"), ". Then it is listed here."));
}

/** @param {any} start @param {boolean} owner */
function reviews(start, owner) {
  const items = start.sessions.map((/** @type {any} */ one) => {
    if (one.problem) return h("li", {}, h("b", {}, one.name), problem(one.problem));
    const rows = one.progress.map((/** @type {any} */ p) => h("span", {},
      `${p.expert}: ${p.sealed ? "sealed" : `${p.cases - p.left} of ${p.cases} done`}`));
    const address = owner || (one.open && one.progress.every((/** @type {any} */ p) => p.sealed)) ? "agreement" : "review";
    return h("li", {}, h("a", { href: `#/${address}/${one.id}` }, h("b", {}, one.name), ...rows,
      h("span", {}, one.open ? "agreement of the experts" : owner ? "agreement, once all are sealed" : "review")));
  });
  const how = owner && h("p", {}, "Experts get links of their own, which show nothing else: ",
    h("code", {}, "sparcell app FOLDER --expert anna --expert ben"), ". A session is made with ", h("code", {}, "sparcell review new"), ".");
  return h("section", {}, h("h2", {}, "Expert review"),
    items.length ? h("ul", { className: "cards" }, ...items) : h("p", {}, owner ? "There is no review session in this folder." : "There is no session with you as expert in this folder."), how);
}
