// Time and depth: sliders, keys, and a movie that plays.

import { h, refreshActions } from "./dom.js";

const FRAME_MS = 120;
/** @typedef {"t" | "z"} Axis */

/**
 * @param {(t: number, z: number) => Promise<void>} show draws a plane, and resolves once it is on the screen
 */
export function planeSliders(show) {
  const element = h("section", { className: "panel planes", "aria-label": "Time and depth", hidden: true });
  const size = { t: 1, z: 1 }, wanted = { t: 0, z: 0 }, names = { t: "time", z: "depth" };
  /** @type {Partial<Record<Axis, {input: HTMLInputElement, shown: HTMLOutputElement}>>} */
  const sliders = {};
  let busy = false, playing = false;

  function write() {
    for (const axis of /** @type {Axis[]} */ (["t", "z"])) {
      const slider = sliders[axis];
      if (!slider) continue;
      slider.input.value = String(wanted[axis]);
      slider.shown.value = `${wanted[axis] + 1} of ${size[axis]}`;
    }
  }

  /** Show the last plane that was wanted; those in between are left out while one is on its way. */
  async function follow() {
    write();
    if (busy) return;
    busy = true;
    try {
      for (let asked = ""; asked !== `${wanted.t} ${wanted.z}`;) {
        asked = `${wanted.t} ${wanted.z}`;
        await show(wanted.t, wanted.z);
      }
    } finally { busy = false; }
  }

  /** @param {Axis} axis @param {number} by */
  function step(axis, by) {
    wanted[axis] = (wanted[axis] + by + size[axis]) % size[axis];
    return follow();
  }

  async function play() {
    playing = !playing;
    refreshActions();
    while (playing && element.isConnected) {
      const begin = performance.now();
      await step("t", 1);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, FRAME_MS - (performance.now() - begin))));
    }
    playing = false;
  }

  const many = (/** @type {Axis} */ axis) => () => size[axis] > 1;
  return {
    element,
    get size() { return size; },
    /** Make the sliders of an image. @param {{times: number, depths: number}} facts @param {number} t @param {number} z */
    fill(facts, t = 0, z = 0) {
      playing = false;
      Object.assign(size, { t: facts.times, z: facts.depths });
      Object.assign(wanted, { t, z });
      const axes = /** @type {Axis[]} */ (["t", "z"]).filter((axis) => many(axis)());
      element.hidden = !axes.length;
      element.replaceChildren(...axes.map((axis) => {
        const input = h("input", { type: "range", min: 0, max: size[axis] - 1, value: 0, oninput: () => { wanted[axis] = Number(input.value); follow(); } });
        sliders[axis] = { input, shown: h("output", {}) };
        return h("label", {}, h("span", {}, names[axis]), input, sliders[axis]?.shown);
      }));
      write();
      refreshActions();
    },
    /** @param {number} t @param {number} z */
    go(t, z) { Object.assign(wanted, { t, z }); return follow(); },
    stop() { playing = false; },
    /** @returns {import("./dom.js").Action[]} */
    actions: () => [
      { key: ",", text: "frame before", when: many("t"), run: () => step("t", -1) },
      { key: ".", text: "next frame", when: many("t"), run: () => step("t", 1) },
      { key: " ", shown: "Space", text: "play", when: many("t"), on: () => playing, run: play },
      { key: "PageDown", text: "deeper", when: many("z"), run: () => step("z", 1) },
      { key: "PageUp", text: "higher", when: many("z"), run: () => step("z", -1) },
    ],
  };
}
