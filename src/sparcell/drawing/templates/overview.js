"use strict";
const cards = [...document.querySelectorAll(".cards figure")];
const dialog = document.getElementById("zoom");
const stage = dialog.querySelector(".stage");
const layers = dialog.querySelector(".layers");
const show = document.getElementById("show");
let current = 0;
let scale = 1;

function showOutlines() {
  document.documentElement.classList.toggle("without", !show.checked);
}

/* Fit the picture into the stage, times the scale. */
function resize() {
  const image = layers.querySelector("img");
  if (!image) return;
  const fit = Math.min(stage.clientWidth / image.naturalWidth, stage.clientHeight / image.naturalHeight);
  layers.style.width = `${Math.floor(image.naturalWidth * fit * scale)}px`;
}

function zoom(factor) {
  const centre = [stage.scrollLeft + stage.clientWidth / 2, stage.scrollTop + stage.clientHeight / 2];
  const before = scale;
  scale = Math.min(Math.max(scale * factor, 1), 16);
  resize();
  const [x, y] = centre.map((position) => (position * scale) / before);
  stage.scrollTo(x - stage.clientWidth / 2, y - stage.clientHeight / 2);
}

function link(address, text) {
  const anchor = document.createElement("a");
  anchor.href = address.split("/").map(encodeURIComponent).join("/");
  anchor.textContent = text;
  return anchor;
}

function enlarge(number) {
  current = (number + cards.length) % cards.length;
  const card = cards[current];
  layers.replaceChildren(...[...card.querySelectorAll("img")].map((image) => image.cloneNode()));
  dialog.querySelector(".bar b").textContent = card.dataset.name;
  const { picture, detail } = card.dataset;
  dialog.querySelector(".links").replaceChildren(
    ...(picture ? [link(picture, "full picture")] : []),
    ...(detail ? [link(detail, "densest part")] : []),
  );
  scale = 1;
  if (!dialog.open) dialog.showModal();
  layers.querySelector("img").decode().then(resize, resize);
}

cards.forEach((card, number) => {
  card.querySelector("button").addEventListener("click", () => enlarge(number));
});

dialog.addEventListener("click", ({ target }) => {
  if (target.dataset.zoom) zoom(target.dataset.zoom === "in" ? 1.5 : 1 / 1.5);
  else if (target.dataset.step) enlarge(current + Number(target.dataset.step));
  else if ("close" in target.dataset) dialog.close();
});

document.addEventListener("keydown", ({ key }) => {
  if (show && key.toLowerCase() === "o") {
    show.checked = !show.checked;
    showOutlines();
  }
  if (!dialog.open) return;
  if (key === "ArrowLeft") enlarge(current - 1);
  if (key === "ArrowRight") enlarge(current + 1);
  if (key === "+") zoom(1.5);
  if (key === "-") zoom(1 / 1.5);
});

window.addEventListener("resize", resize);
if (show) show.addEventListener("change", showOutlines);
