// Tiles of one image or label image, fetched when they are needed.

import { getTile } from "./api.js";

const MOST = 160;
export const TILE = 512;

/** Tiles of one source at all levels. */
export class Tiles {
  /**
   * @param {(level: number, row: number, column: number) => string} address
   * @param {"labels" | "wide" | "narrow"} kind
   * @param {number} levels
   * @param {(level: number, row: number, column: number) => void} arrived called with each tile that can be drawn
   */
  constructor(address, kind, levels, arrived) {
    this.address = address;
    this.kind = kind;
    this.levels = levels;
    this.arrived = arrived;
    /** @type {Map<string, import("./api.js").Tile | null>} those used last are at the end */
    this.known = new Map();
    this.stop = new AbortController();
    /** @type {Map<string, Promise<void>>} */
    this.coming = new Map();
  }

  /** Return a tile, or null while it is on its way. @param {number} level @param {number} row @param {number} column */
  get(level, row, column) {
    const key = `${level}/${row}/${column}`, found = this.known.get(key);
    if (found) {
      this.known.delete(key);
      this.known.set(key, found);
    }
    if (found === undefined) this.load(level, row, column);
    return found ?? null;
  }

  /** Fetch a tile, and resolve when it is there, or cannot come. @param {number} level @param {number} row @param {number} column @returns {Promise<void>} */
  load(level, row, column) {
    const key = `${level}/${row}/${column}`;
    const coming = this.coming.get(key);
    if (coming || this.known.has(key)) return coming ?? Promise.resolve();
    this.known.set(key, null);
    const asked = getTile(this.address(level, row, column), this.kind, this.stop.signal).then(
      (tile) => { this.known.set(key, tile); this.forget(); this.arrived(level, row, column); },
      // A failed tile stays away; the next image tries again.
      () => undefined,
    ).finally(() => { this.coming.delete(key); });
    this.coming.set(key, asked);
    return asked;
  }

  /** Drop what was not used for the longest time. */
  forget() {
    for (const key of this.known.keys()) {
      if (this.known.size <= MOST) break;
      if (!key.startsWith(`${this.levels - 1}/`)) this.known.delete(key);
    }
  }

  /** Fetch nothing more. */
  close() {
    this.stop.abort();
  }
}
