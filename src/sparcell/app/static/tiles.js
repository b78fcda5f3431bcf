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
   * @param {() => void} arrived called when there is something new to draw
   */
  constructor(address, kind, levels, arrived) {
    this.address = address;
    this.kind = kind;
    this.levels = levels;
    this.arrived = arrived;
    /** @type {Map<string, import("./api.js").Tile | null>} */
    this.known = new Map();
    this.stop = new AbortController();
    this.waiting = 0;
  }

  /** Return a tile, or null while it is on its way. @param {number} level @param {number} row @param {number} column */
  get(level, row, column) {
    const key = `${level}/${row}/${column}`;
    const found = this.known.get(key);
    if (found !== undefined) return found;
    this.known.set(key, null);
    this.waiting += 1;
    getTile(this.address(level, row, column), this.kind, this.stop.signal).then(
      (tile) => { this.known.set(key, tile); this.forget(); },
      // A failed tile stays away; the next image tries again.
      () => undefined,
    ).finally(() => { this.waiting -= 1; this.arrived(); });
    return null;
  }

  /** Drop what was fetched first. */
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
