// Requests to the server.

const MARK = { "X-Sparcell": "1" };

/** An answer that is no success. */
export class Refused extends Error {
  /** @param {number} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {Response} response */
async function check(response) {
  if (response.ok) return response;
  let message = `the server answered ${response.status}`;
  try {
    message = (await response.json()).error ?? message;
  } catch { /* no JSON */ }
  throw new Refused(response.status, message);
}

/** @param {string} path @returns {Promise<any>} */
export async function get(path) {
  return (await check(await fetch(`/api/${path}`))).json();
}

/** @param {string} path @param {object} content @returns {Promise<any>} */
export async function post(path, content) {
  const headers = { ...MARK, "Content-Type": "application/json" };
  return (await check(await fetch(`/api/${path}`, { method: "POST", headers, body: JSON.stringify(content) }))).json();
}

/**
 * @typedef {{data: Uint8Array | Uint16Array | Uint32Array, width: number, height: number}} Tile
 */

/**
 * @param {string} path
 * @param {"labels" | "wide" | "narrow"} kind
 * @param {AbortSignal} signal
 * @returns {Promise<Tile>}
 */
export async function getTile(path, kind, signal) {
  const response = await check(await fetch(`/api/${path}`, { signal }));
  const bytes = await response.arrayBuffer();
  const type = { labels: Uint32Array, wide: Uint16Array, narrow: Uint8Array }[kind];
  return { data: new type(bytes), width: Number(response.headers.get("X-Width")), height: Number(response.headers.get("X-Height")) };
}

/** A new id of an event. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
