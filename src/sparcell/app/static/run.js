// Run: a form for each command, and the jobs with their progress, curve and log.

import { get, post } from "./api.js";
import { h, problem, show, status, trail } from "./dom.js";

const EVERY_MS = 1000;
/** Of the curves, for all eyes; those of the classes `curve-0` to `curve-2`. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73"];
const ENDED = ["done", "problems", "failed", "stopped", "killed"];
const STATES = {
  waiting: "waits for the job before it", running: "running", done: "done", problems: "ended with problems, see the log",
  failed: "failed, see the log", stopped: "stopped", killed: "killed from outside",
};
/** What each command is for, in the words of someone who never ran it. @type {Record<string, string>} */
const PURPOSE = {
  label: "Make labels from a nuclear stain or from points", train: "Train a model on a labelled dataset",
  predict: "Find, count and outline objects", evaluate: "Score results against labels", measure: "Measure objects and summarise wells",
  track: "Follow cells over time", "review correct": "Put uncertain objects first, to correct them", "review export": "Make a dataset of corrections or of a review", "study curve": "Forecast what more labels would bring", "models try": "Find the model that fits the images",
  "models compare": "Compare a new model with the old one", info: "Describe images, and advise on the next step",
};

/** @param {any} start @param {...string} words command to fill in, then values as query text */
export async function runPage(start, ...words) {
  const [name, query] = [decodeURIComponent(words[0] ?? ""), words.slice(1).join("/")];
  const { commands, suggestions } = await get("forms");
  const command = commands.find((/** @type {any} */ one) => one.name === name);
  trail(command ? [[start.folder, "#/"], ["Run", "#/run"], [command.name]] : [[start.folder, "#/"], ["Run"]]);
  const list = jobList();
  const body = command ? form(command, suggestions, new URLSearchParams(query), list.refresh) : tiles(commands);
  show(h("div", { className: "start" }, body, list.element));
  await list.refresh();
  const timer = setInterval(() => { if (!document.hidden) list.refresh(); }, EVERY_MS);
  return () => clearInterval(timer);
}

/** @param {any[]} commands */
function tiles(commands) {
  return h("section", {}, h("h1", {}, "Run a command"),
    h("p", {}, "Each form shows the command line that does the same in a terminal. A job goes on when this page is closed."),
    h("ul", { className: "cards" }, ...commands.map((one) => h("li", {}, h("a", { href: `#/run/${encodeURIComponent(one.name)}` },
      h("b", {}, one.name), h("span", {}, PURPOSE[one.name] ?? one.text))))));
}

/**
 * The form of a command.
 * @param {any} command @param {Record<string, string[]>} suggestions @param {URLSearchParams} given @param {() => void} added
 */
function form(command, suggestions, given, added) {
  const inputs = command.parameters.filter((/** @type {any} */ one) => one.name !== "resume").map((/** @type {any} */ one) => input(one, suggestions, given.getAll(one.name), update));
  const line = h("pre", { className: "line", tabIndex: 0 }), message = h("div", { "aria-live": "polite" });
  const settings = command.parameters.some((/** @type {any} */ one) => one.flag === "--set") ? settingsEditor(update) : null;
  const run = h("button", { type: "submit", disabled: true }, "Run");
  let asked = 0;

  function values() {
    /** @type {Record<string, any>} */
    const found = {};
    for (const one of inputs) found[one.parameter.name] = one.value();
    if (settings) found.settings = [...(found.settings ?? []), ...settings.changed()];
    return found;
  }

  async function update() {
    const own = ++asked;
    const recipe = inputs.find((/** @type {any} */ one) => one.parameter.suggests === "recipe");
    if (settings && recipe) settings.load(recipe.value());
    try {
      const answer = await post("forms/line", { command: command.name, values: values() });
      if (own !== asked) return;
      line.textContent = answer.line;
      message.replaceChildren(...(answer.problem ? [h("p", { className: "soft" }, answer.problem)] : []));
      run.disabled = !answer.line;
    } catch (error) {
      if (own !== asked) return;
      line.textContent = "";
      run.disabled = true;
      message.replaceChildren(h("p", { className: "soft" }, error instanceof Error ? error.message : String(error)));
    }
  }

  async function submit(/** @type {Event} */ event) {
    event.preventDefault();
    try {
      await post("jobs", { command: command.name, values: values() });
      status("added");
      added();
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const one of inputs) {
    const first = one.parameter.required || one.parameter.suggests;
    const title = first ? "" : one.parameter.group || "More options";
    groups.set(title, [...(groups.get(title) ?? []), one.element]);
  }
  const folded = [...groups].filter(([title]) => title).map(([title, elements]) => h("details", {}, h("summary", {}, title), h("div", { className: "form" }, ...elements)));
  const copy = h("button", { type: "button", className: "plain", onclick: () => navigator.clipboard?.writeText(line.textContent).then(() => status("copied")) }, "Copy");
  update();
  return h("section", {}, h("h1", {}, command.name), h("p", {}, command.text),
    h("form", { onsubmit: submit, noValidate: true, "aria-label": command.name }, h("div", { className: "form" }, ...(groups.get("") ?? [])), ...folded, settings?.element,
      message, h("div", { className: "row" }, run, copy), line));
}

/**
 * A field of a form.
 * @param {any} parameter @param {Record<string, string[]>} suggestions @param {string[]} given @param {() => void} changed
 */
function input(parameter, suggestions, given, changed) {
  const id = `p-${parameter.name}`, known = suggestions[parameter.suggests] ?? [];
  const usual = given.length ? given : parameter.default === null || parameter.default === undefined ? [] : [String(parameter.default)];
  const words = parameter.name === "out" ? "output" : parameter.name.replaceAll("_", " ");
  const label = [words[0].toUpperCase() + words.slice(1), parameter.required ? " (required)" : "", parameter.flag ? h("code", {}, parameter.flag) : ""];
  const text = h("small", { id: `${id}-help` }, parameter.text);
  if (parameter.kind === "flag") {
    const box = h("input", { type: "checkbox", id, checked: given.length ? given[0] === "true" : parameter.default === true, onchange: changed, "aria-describedby": `${id}-help` });
    return { parameter, value: () => box.checked, element: h("div", { className: "check" }, h("label", { htmlFor: id }, box, " ", ...label), text) };
  }
  /** @type {any} */
  let box, list = null;
  if (parameter.choices.length) {
    box = h("select", { id, onchange: changed }, ...parameter.choices.map((/** @type {string} */ one) => h("option", { value: one, selected: usual[0] === one }, one)));
  } else if (parameter.many) {
    // One value a line: names have spaces.
    box = h("textarea", { id, rows: Math.max(1, Math.min(4, usual.length)), value: usual.join("\n"), oninput: changed });
  } else {
    const first = !usual.length && parameter.required && known.length && !["recipe", "model"].includes(parameter.suggests) ? known[0] : usual[0] ?? "";
    box = h("input", { id, type: "text", value: first, oninput: changed, inputMode: ["number", "integer"].includes(parameter.kind) ? "decimal" : "text" });
    if (known.length) {
      list = h("datalist", { id: `${id}-known` }, ...known.map((one) => h("option", { value: one })));
      box.setAttribute("list", list.id);
    }
  }
  if (parameter.many && known.length && !usual.length && parameter.required) box.value = known[0];
  box.setAttribute("aria-describedby", `${id}-help`);
  const pick = parameter.many && known.length ? h("div", { className: "filters" }, ...known.slice(0, 12).map((one) =>
    h("button", { type: "button", className: "plain", onclick: () => { box.value = [...new Set([...box.value.split("\n").filter(Boolean), one])].join("\n"); changed(); } }, one))) : null;
  const value = () => {
    const words = parameter.many ? box.value.split("\n").map((/** @type {string} */ one) => one.trim()).filter(Boolean) : box.value.trim();
    return words;
  };
  return { parameter, value, element: h("div", { className: "field" }, h("label", { htmlFor: id }, ...label), box, list, pick, text) };
}

/** The settings of the chosen recipe; those that are changed become --set. @param {() => void} changed */
function settingsEditor(changed) {
  const body = h("div", { className: "form" }), element = h("details", { hidden: true }, h("summary", {}, "Settings of the recipe"), body);
  let recipe = "";
  /** @type {{key: string, usual: string, box: any}[]} */
  let boxes = [];

  /** @param {string} name */
  async function load(name) {
    if (name === recipe) return;
    recipe = name;
    boxes = [];
    let settings = [];
    try {
      settings = (await get(`forms/settings?recipe=${encodeURIComponent(name)}`)).settings;
    } catch { /* it is typed to its end later, or a file */ }
    if (name !== recipe) return;
    element.hidden = !settings.length;
    body.replaceChildren(...settings.filter((/** @type {any} */ one) => one.key.includes(".")).map((/** @type {any} */ one) => {
      const usual = one.value === null ? "" : String(one.value), id = `s-${one.key}`;
      const box = h("input", { id, type: "text", value: usual, oninput: changed, "aria-describedby": `${id}-help` });
      boxes.push({ key: one.key, usual, box });
      return h("div", { className: "field" }, h("label", { htmlFor: id }, one.key), box, h("small", { id: `${id}-help` }, [one.text, one.values && `one of ${one.values}`].filter(Boolean).join("; ")));
    }));
  }

  return { element, load, changed: () => boxes.filter((one) => one.box.value.trim() !== one.usual).map((one) => `${one.key}=${one.box.value.trim()}`) };
}

/** The jobs, the newest first. */
function jobList() {
  const items = h("ul", { className: "jobs" }), message = h("div"), element = h("section", {}, h("h2", {}, "Jobs"), message, items);
  /** @type {Map<string, any>} */
  const shown = new Map();
  /** @type {Set<string>} */
  const open = new Set();

  async function refresh() {
    try {
      const { jobs } = await get("jobs");
      message.replaceChildren();
      if (!jobs.length) message.replaceChildren(h("p", {}, "No job yet."));
      for (const [id, item] of shown) if (!jobs.some((/** @type {any} */ one) => one.id === id)) { item.element.remove(); shown.delete(id); }
      jobs.forEach((/** @type {any} */ job, /** @type {number} */ place) => {
        let item = shown.get(job.id);
        if (!item) shown.set(job.id, (item = jobItem(job.id, act, (unfolded) => { if (unfolded) open.add(job.id); else open.delete(job.id); refresh(); })));
        item.draw(job);
        if (items.children[place] !== item.element) items.insertBefore(item.element, items.children[place] ?? null);
      });
      await Promise.all([...open].filter((id) => shown.has(id)).map(async (id) => shown.get(id).more(await get(`jobs/${id}`))));
    } catch (error) { message.replaceChildren(problem(error)); }
  }

  /** @param {string} id @param {string} action */
  async function act(id, action) {
    try { await post(`jobs/${id}/${action}`, {}); await refresh(); } catch (error) { message.replaceChildren(problem(error)); }
  }
  return { element, refresh };
}

/** @param {string} id @param {(id: string, action: string) => void} act @param {(open: boolean) => void} unfold */
function jobItem(id, act, unfold) {
  const state = h("b"), line = h("code"), bar = h("progress", { max: 1, "aria-label": "progress" }), note = h("span", { className: "soft" });
  const buttons = h("div", { className: "row" }), log = h("pre", { className: "log", tabIndex: 0, "aria-label": "log" }), curve = h("div");
  const details = h("details", { ontoggle: () => unfold(details.open) }, h("summary", {}, "Log and curve"), curve, log);
  const element = h("li", {}, h("div", { className: "job" }, state, line), bar, note, buttons, details);
  let drawn = "";

  /** @param {any} job */
  function draw(job) {
    state.textContent = STATES[/** @type {"done"} */ (job.state)] ?? job.state;
    element.dataset.state = job.state;
    line.textContent = job.line;
    const p = job.progress, running = job.state === "running";
    bar.hidden = !running;
    if (p && p.total) bar.value = p.done / p.total; else bar.removeAttribute("value");
    note.textContent = running && p ? step(p) : job.seconds ? `took ${time(job.seconds)}` : "";
    const key = `${job.state} ${job.output}`;
    if (key === drawn) return;
    drawn = key;
    const ended = ENDED.includes(job.state);
    const button = (/** @type {string} */ action, /** @type {string} */ text) => h("button", { type: "button", className: "plain", onclick: () => act(id, action) }, text);
    buttons.replaceChildren(...[
      !ended && button("stop", "Stop"),
      ended && job.state !== "done" && button("resume", job.resumable && job.output ? "Resume" : "Run again"),
      ended && button("remove", "Remove from the list"),
      ...(job.state === "done" ? next(job) : []),
      ended && job.output && h("a", { href: `/api/jobs/${id}/page`, target: "_blank", rel: "noopener", className: "page", hidden: true }, "Open its page"),
    ].filter(Boolean));
    if (ended && job.output) get(`jobs/${id}`).then((found) => { const link = buttons.querySelector(".page"); if (link) link.hidden = !found.page; });
  }

  /** @param {any} job */
  function more(job) {
    const below = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    if (log.textContent !== job.log) log.textContent = job.log;
    if (below) log.scrollTop = log.scrollHeight;
    const points = job.steps.filter((/** @type {any} */ one) => one.epoch !== undefined);
    curve.replaceChildren(...(points.length > 1 ? [plot(points)] : []));
  }
  return { element, draw, more };
}

/** What usually follows a job. @param {any} job */
function next(job) {
  const link = (/** @type {string} */ command, /** @type {Record<string, string>} */ values, /** @type {string} */ text) =>
    h("a", { href: `#/run/${encodeURIComponent(command)}/${new URLSearchParams(values)}` }, text);
  if (!job.output) return [];
  if (job.command === "train") return [link("models compare", { new: job.output }, "Compare with the old model")];
  if (job.command === "predict") return [link("measure", { predictions: job.output }, "Measure more"), link("track", { predictions: job.output }, "Track"), link("review correct", { folder: job.output }, "Correct")];
  if (job.line.startsWith("sparcell review correct")) return [h("a", { href: "#/" }, "Correct it, from the first page")];
  if (job.line.startsWith("sparcell review export")) return [link("train", { data: job.output }, "Train on these labels")];
  if (job.command === "label") return [link("train", { data: job.output }, "Train on these labels")];
  return job.line.startsWith("sparcell models compare") ? [h("a", { href: "#/compare" }, "See the verdict")] : [];
}

/** @param {any} p */
function step(p) {
  const share = p.total === 1 ? `${Math.round(p.done * 100)} %` : `${p.done} of ${p.total} ${p.unit}`;
  return [p.what, share, p.left === undefined ? "" : `about ${time(p.left)} left`].filter(Boolean).join(", ");
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Losses and score by epoch, each scaled to its own range. @param {any[]} points */
function plot(points) {
  const [width, height] = [480, 140], names = Object.keys(points[0]).filter((key) => /loss|val_/.test(key));
  const canvas = h("canvas", { width: 2 * width, height: 2 * height, className: "curve", role: "img", "aria-label": `${names.join(", ")} over ${points.length} epochs` });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.lineWidth = 2;
  names.forEach((name, n) => {
    const values = points.map((one) => one[name]), low = Math.min(...values), range = Math.max(...values) - low || 1;
    context.strokeStyle = COLOURS[n % COLOURS.length];
    context.beginPath();
    values.forEach((value, x) => context.lineTo((x / (values.length - 1)) * width, height - 4 - ((value - low) / range) * (height - 8)));
    context.stroke();
  });
  const legend = names.map((name, n) => h("span", {}, h("i", { className: `swatch curve-${n % 3}` }), `${name} ${points[0][name].toFixed(3)} → ${points[points.length - 1][name].toFixed(3)}`));
  return h("figure", {}, canvas, h("figcaption", { className: "legend" }, ...legend));
}
