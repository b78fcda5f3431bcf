// Brightness and contrast, and a small picture of the whole image.

import { h, refreshActions } from "./dom.js";
import { css } from "./colours.js";

/**
 * Controls of the limits between which grey values are shown.
 * @param {import("./viewer.js").Viewer} viewer
 * @returns {{element: HTMLElement, refresh: () => void, auto: () => void, actions: () => import("./dom.js").Action[]}}
 */
export function contrastPanel(viewer) {
  const element = h("section", { className: "panel", "aria-label": "Brightness and contrast" });
  let chosen = 0;

  function auto() {
    viewer.channels.forEach((channel) => {
      const known = viewer.facts?.channels[channel.index];
      if (known) Object.assign(channel, { low: known.low, high: known.high, gamma: 1 });
      viewer.contrast(channel);
    });
    refresh();
  }

  function refresh() {
    const { facts, channels } = viewer;
    if (!facts) { element.replaceChildren(); return; }
    chosen = Math.min(chosen, channels.length - 1);
    const channel = channels[chosen], known = facts.channels[chosen];
    const least = Math.min(known.least, channel.low), most = Math.max(known.most, channel.high, least + 1);
    const histogram = h("canvas", { className: "histogram", width: 256, height: 56, role: "img", "aria-label": "Histogram of grey values" });
    const draw = () => drawHistogram(histogram, known, channel, least, most);
    const value = (/** @type {number} */ n) => Math.round((facts.offset + facts.scale * n) * 100) / 100;

    /** @param {"low" | "high"} key @param {string} text */
    const slider = (key, text) => {
      const number = h("output", {}, value(channel[key]));
      const input = h("input", { type: "range", min: least, max: most, step: (most - least) / 1000, value: channel[key],
        oninput: () => {
          channel[key] = Number(input.value);
          if (channel.high <= channel.low) channel[key === "low" ? "high" : "low"] = channel[key] + (key === "low" ? 1 : -1);
          number.value = String(value(channel[key]));
          viewer.contrast(channel);
          draw();
        } });
      return h("label", {}, h("span", {}, text), input, number);
    };
    const gamma = h("output", {}, channel.gamma.toFixed(2));
    const bend = h("input", { type: "range", min: 0.2, max: 3, step: 0.05, value: channel.gamma,
      oninput: () => { channel.gamma = Number(bend.value); gamma.value = channel.gamma.toFixed(2); viewer.contrast(channel); } });
    const names = channels.length > 1 ? h("div", { className: "channels" }, ...channels.map((one, index) =>
      h("span", {},
        h("input", { type: "checkbox", checked: one.on, "aria-label": `show channel ${facts.channels[index].name}`,
          onchange: () => toggle(index) }),
        h("button", { type: "button", className: "plain", "aria-pressed": String(index === chosen),
          onclick: () => { chosen = index; refresh(); } }, facts.channels[index].name)))) : null;
    element.replaceChildren(...[
      h("h2", {}, "Contrast"), names, histogram, slider("low", "black"), slider("high", "white"),
      h("label", {}, h("span", {}, "gamma"), bend, gamma),
    ].filter(Boolean));
    draw();
  }

  /** @param {number} index */
  function toggle(index) {
    const channel = viewer.channels[index];
    channel.on = !channel.on;
    viewer.draw();
    refresh();
    refreshActions();
  }

  /** Keys 1 to 9 show and hide channels. */
  const actions = () => [
    { key: "i", shown: "I", text: "auto contrast", run: auto },
    ...Array.from({ length: 9 }, (_, n) => ({
      key: String(n + 1), text: `channel ${n + 1}`, when: () => viewer.channels.length > Math.max(n, 1),
      on: () => viewer.channels[n].on, run: () => toggle(n),
    })),
  ];
  return { element, refresh, auto, actions };
}

/** @param {HTMLCanvasElement} canvas @param {import("./viewer.js").ChannelFacts} known @param {import("./viewer.js").Channel} channel @param {number} least @param {number} most */
function drawHistogram(canvas, known, channel, least, most) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(canvas), { width, height } = canvas;
  const bin = (known.top + 1) / known.histogram.length;
  context.clearRect(0, 0, width, height);
  const heights = Array.from({ length: width }, (_, x) => {
    const from = Math.floor((least + (x / width) * (most - least)) / bin);
    const to = Math.max(from + 1, Math.ceil((least + ((x + 1) / width) * (most - least)) / bin));
    return Math.log1p(Math.max(0, ...known.histogram.slice(Math.max(from, 0), to)));
  });
  const top = Math.max(...heights, 1);
  context.fillStyle = style.color;
  heights.forEach((tall, x) => context.fillRect(x, height - (tall / top) * height, 1, height));
  const at = (/** @type {number} */ n) => ((n - least) / (most - least)) * width;
  context.strokeStyle = css(0xff005ed5);
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(at(channel.low), height);
  context.lineTo(at(channel.high), 0);
  context.stroke();
}

/**
 * The whole image with the part that is on the screen; a click goes there.
 * @param {import("./viewer.js").Viewer} viewer
 * @returns {HTMLCanvasElement}
 */
export function minimap(viewer) {
  const map = h("canvas", { className: "minimap", width: 160, height: 160, role: "img", "aria-label": "Whole image; a click moves the view" });
  const context = /** @type {CanvasRenderingContext2D} */ (map.getContext("2d"));
  /** @type {{tile: import("./api.js").Tile | null, lut: Uint32Array | null}} */
  let drawn = { tile: null, lut: null };
  /** @type {ImageData | null} */
  let picture = null;
  const scale = () => (viewer.facts ? 160 / Math.max(viewer.facts.width, viewer.facts.height) : 1);

  viewer.moved = () => {
    const { facts, view, canvas } = viewer;
    if (!facts) return;
    const s = scale(), whole = view.zoom * Math.max(facts.width, facts.height) <= Math.max(canvas.width, canvas.height);
    map.hidden = whole;
    if (whole) return;
    const channel = viewer.channels.find((one) => one.on) ?? viewer.channels[0];
    const tile = viewer.grey[channel.index].get(facts.levels - 1, 0, 0);
    if (!picture || drawn.tile !== tile || drawn.lut !== channel.lut) {
      drawn = { tile, lut: channel.lut };
      map.width = Math.max(1, Math.round(facts.width * s));
      map.height = Math.max(1, Math.round(facts.height * s));
      picture = small(context, tile, channel.lut);
    }
    context.putImageData(picture, 0, 0);
    const w = (canvas.width / view.zoom) * s, t = (canvas.height / view.zoom) * s;
    context.strokeStyle = "#fff";
    context.lineWidth = 2;
    context.strokeRect(view.x * s - w / 2, view.y * s - t / 2, w, t);
  };
  map.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    const box = map.getBoundingClientRect();
    viewer.view.x = (event.clientX - box.left) / scale();
    viewer.view.y = (event.clientY - box.top) / scale();
    viewer.draw();
  });
  return map;
}

/**
 * A tile in the size of a canvas.
 * @param {CanvasRenderingContext2D} context @param {import("./api.js").Tile | null} tile @param {Uint32Array} lut
 */
function small(context, tile, lut) {
  const { width, height } = context.canvas, picture = context.createImageData(width, height);
  const out = new Uint32Array(picture.data.buffer);
  for (let i = 0; tile && i < out.length; i += 1) {
    const x = Math.floor(((i % width) / width) * tile.width), y = Math.floor((Math.floor(i / width) / height) * tile.height);
    out[i] = lut[tile.data[y * tile.width + x]];
  }
  return picture;
}
