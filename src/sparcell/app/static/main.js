// Which page is shown, by the part of the address behind #.

import { get, post, Refused } from "./api.js";
import { agreementPage } from "./agreement.js";
import { blindPage } from "./blind.js";
import { comparePage } from "./compare.js";
import { correctPage } from "./correct.js";
import { problem, setActions, show, status, trail } from "./dom.js";
import { lookPage } from "./look.js";
import { pointsPage } from "./points.js";
import { runPage } from "./run.js";
import { startPage } from "./start.js";

/** @type {Record<string, (start: any, ...words: string[]) => Promise<void | (() => void)>>} */
const PAGES = { "": startPage, look: lookPage, review: blindPage, agreement: agreementPage, run: runPage, compare: comparePage, correct: correctPage, points: pointsPage };
/** @type {void | (() => void)} */
let leave;
/** @type {any} */
let known;

async function login() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return;
  // The token leaves the address at once, so that it is in no bookmark.
  history.replaceState(null, "", "/#/");
  await post("login", { token: match[1] });
}

async function open() {
  leave?.();
  leave = undefined;
  setActions([]);
  status("");
  const [name, ...words] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    // What is in the folder is read again wherever it is listed, but not from image to image.
    if (!known || !["look", "points"].includes(name)) known = await get("start");
    const start = known;
    leave = await (PAGES[name] ?? startPage)(start, ...words);
  } catch (error) {
    trail([]);
    const lost = error instanceof Refused && error.code === 401;
    show(problem(lost ? "Open the link that the terminal printed: it lets this browser in." : error));
  }
}

addEventListener("hashchange", open);
login().catch(() => undefined).then(open);
