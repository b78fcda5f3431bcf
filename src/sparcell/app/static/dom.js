// Small helpers to make elements and to fill the frame around a page.

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [props] properties; `on...` are listeners, `data` a dataset
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  const shown = children.filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...shown.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Show a page in the frame. @param {...Node} content */
export function show(...content) {
  byId("page").replaceChildren(...content);
}

/** @param {Array<[string, string?]>} steps text and address */
export function trail(steps) {
  const parts = steps.map(([text, address]) => (address ? h("a", { href: address }, text) : h("span", {}, text)));
  byId("trail").replaceChildren(...parts);
  document.title = [...steps.map(([text]) => text).reverse(), "Sparcell"].join(" · ");
}

/** @param {string} text */
export function status(text) {
  byId("saved").textContent = text;
}

/**
 * @typedef {{key: string, text: string, run: () => unknown, shown?: string, held?: () => void, also?: string[], on?: () => boolean, when?: () => boolean}} Action
 */

/** @type {Action[]} */
let actions = [];

/**
 * Show what can be done in a bar of buttons, each with its key; both do the same.
 * @param {Action[]} wanted
 */
export function setActions(wanted) {
  actions = wanted.length ? [...wanted, { key: "?", text: "all keys", run: showKeys }] : [];
  hint = () => "";
  refreshActions();
}

let hint = () => "";

/** Say before the keys what a click does; it is asked anew with `refreshActions`. @param {() => string} text */
export function setHint(text) {
  hint = text;
  refreshActions();
}

const possible = () => actions.filter((one) => !one.when || one.when());

/** All keys in a dialog, also those that have no button. */
function showKeys() {
  const rows = possible().map((one) => [one.shown ?? one.key, one.text]);
  const mouse = [["← → ↑ ↓", "move the image"], ["drag", "move the image"], ["wheel", "zoom"], ["Tab", "go to the next button, Enter presses it"]];
  const dialog = h("dialog", { "aria-label": "All keys", onclose: () => dialog.remove() },
    h("table", { className: "keys" }, h("caption", {}, "All keys"),
      h("tbody", {}, ...[...rows, ...mouse].filter(([, text]) => text).map(([key, text]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, text))))),
    h("div", { className: "row" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

/** Draw the bar anew, after a tool was chosen. */
export function refreshActions() {
  const buttons = possible().filter((one) => one.text).map((one) =>
    h("button", { type: "button", className: "key", "aria-pressed": one.on ? String(one.on()) : null,
      onclick: () => { one.run(); if (one.held) one.held(); } },
    h("kbd", {}, one.shown ?? one.key), " ", one.text));
  const words = hint(), bar = byId("keys"), active = document.activeElement;
  const focused = active && bar.contains(active) ? active.querySelector("kbd")?.textContent : null;
  bar.replaceChildren(...(words ? [h("span", { className: "hint", role: "status" }, words)] : []), ...buttons);
  // The button that was pressed keeps the focus, for those who use the keyboard.
  if (focused) buttons.find((one) => one.querySelector("kbd").textContent === focused)?.focus();
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.shiftKey && letter.length > 1 || event.shiftKey && event.ctrlKey ? "Shift+" : "") + letter;
}

/** @param {KeyboardEvent} event */
function find(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, dialog")) return undefined;
  // A focused button takes Enter and the space bar for itself.
  if (target.closest("button, a, summary") && ["Enter", " "].includes(event.key)) return undefined;
  const name = nameOf(event), shifted = `Shift+${name}`;
  const called = (/** @type {string} */ wanted) => possible().find((one) => one.key === wanted || (one.also ?? []).includes(wanted));
  return (event.shiftKey && called(shifted)) || called(name);
}

addEventListener("keydown", (event) => {
  const action = find(event);
  if (!action) return;
  event.preventDefault();
  if (event.repeat && action.held) return;
  action.run();
});
addEventListener("keyup", (event) => find(event)?.held?.());

/**
 * A problem in words, where the page would be.
 * @param {unknown} error
 */
export function problem(error) {
  return h("p", { className: "problem", role: "alert" }, error instanceof Error ? error.message : String(error));
}

/**
 * Ask before something that cannot be taken back.
 * @param {string} text @param {string} yes
 * @returns {Promise<boolean>}
 */
export function ask(text, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-label": yes, onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("p", {}, text),
      h("div", { className: "row" },
        h("button", { type: "button", onclick: () => dialog.close("yes") }, yes),
        h("button", { type: "button", className: "plain", onclick: () => dialog.close("no") }, "Cancel")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Ask for a line of text.
 * @param {string} label
 * @returns {Promise<string>}
 */
export function askText(label) {
  return new Promise((resolve) => {
    const field = h("textarea", { rows: 3, maxLength: 2000, id: "answer" });
    const dialog = h("dialog", { "aria-label": label, onclose: () => { resolve(dialog.returnValue === "yes" ? field.value.trim() : ""); dialog.remove(); } },
      h("label", { htmlFor: "answer" }, label), field,
      h("div", { className: "row" },
        h("button", { type: "button", onclick: () => dialog.close("yes") }, "Save"),
        h("button", { type: "button", className: "plain", onclick: () => dialog.close("no") }, "Cancel")));
    document.body.append(dialog);
    dialog.showModal();
  });
}
