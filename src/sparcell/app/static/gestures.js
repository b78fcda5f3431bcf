// Pointer and wheel on the canvas of a viewer: drag, pinch, zoom, click.

/** @param {import("./viewer.js").Viewer} viewer */
export function listen(viewer) {
  const { canvas } = viewer;
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let dragged = 0;
  /** @type {import("./viewer.js").Grab | null} */
  let grab = null;
  const inImage = (/** @type {{x: number, y: number}} */ p) => viewer.place(p.x, p.y);
  const at = (/** @type {MouseEvent} */ event) => {
    const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    if (down.size > 1) { grab?.cancel(); grab = null; return; }
    dragged = 0;
    const { y, x } = inImage(at(event));
    grab = viewer.grab(y, x, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = at(event), other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    dragged += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (other) {
      const apart = (/** @type {{x: number, y: number}} */ p) => Math.hypot(p.x - other.x, p.y - other.y);
      viewer.zoom(apart(now) / Math.max(apart(before), 1), other.x, other.y);
    } else if (grab) {
      const { y, x } = inImage(now);
      if (dragged > 4) grab.move(y, x);
    } else if (dragged > 4) viewer.pan(now.x - before.x, now.y - before.y);
    down.set(event.pointerId, now);
  });
  const up = (/** @type {PointerEvent} */ event) => {
    const one = down.size === 1 && down.has(event.pointerId);
    down.delete(event.pointerId);
    const held = grab;
    grab = null;
    if (held && event.type !== "pointerup") { held.cancel(); return; }
    if (held && (dragged > 4 || held.clicks)) { held.end(); return; }
    if (!one || dragged > 4 || event.type !== "pointerup") return;
    const { x: px, y: py } = at(event), { y, x } = viewer.place(px, py);
    viewer.cross = false;
    viewer.clicked(y, x, viewer.idsAt(px, py), event);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    viewer.zoom(2 ** (-event.deltaY / 300), x, y);
  }, { passive: false });
}
