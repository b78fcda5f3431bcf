// Events on their way to the server: in order, kept in the browser until the server has them on its disk.

import { newId, post, Refused } from "./api.js";
import { status } from "./dom.js";

const AGAIN_MS = 2000;

/** Sends events one after the other, and again after a failure; the server counts each id once. */
export class Outbox {
  /**
   * @param {string} address
   * @param {(answer: any) => void} saved
   * @param {(error: unknown) => void} refused
   */
  constructor(address, saved, refused) {
    this.address = address;
    this.saved = saved;
    this.refused = refused;
    // Each tab has a list of its own, and sends what others left, too: the server counts each event once.
    const prefix = `outbox ${address} `;
    this.key = prefix + newId();
    /** @type {[string, string][]} lists of tabs before */
    this.left = Object.entries(localStorage).filter(([key]) => key.startsWith(prefix));
    /** @type {any[]} */
    this.waiting = this.left.flatMap(([, list]) => JSON.parse(list));
    /** @type {Promise<void> | null} */
    this.busy = null;
    this.open = true;
    if (this.waiting.length) this.run();
  }

  /** @param {Record<string, any>} event */
  send(event) {
    this.waiting.push({ id: newId(), ...event });
    this.keep();
    this.run();
  }

  keep() {
    if (this.waiting.length) { localStorage.setItem(this.key, JSON.stringify(this.waiting)); return; }
    localStorage.removeItem(this.key);
    for (const [key, list] of this.left) if (localStorage.getItem(key) === list) localStorage.removeItem(key);
  }

  /** Resolve when nothing waits any more. */
  async empty() {
    while (this.busy && this.open) await this.busy;
  }

  close() {
    this.open = false;
  }

  run() {
    if (!this.busy) this.busy = this.work().finally(() => { this.busy = null; });
  }

  async work() {
    while (this.waiting.length && this.open) {
      status("saving …");
      try {
        const answer = await post(this.address, this.waiting[0]);
        this.waiting.shift();
        this.keep();
        if (!this.waiting.length) status("saved");
        this.saved(answer);
      } catch (error) {
        if (error instanceof Refused && error.code < 500 && error.code !== 401) {
          // It will be refused again: it is dropped, and the page says so.
          this.waiting.shift();
          this.keep();
          status("not saved");
          this.refused(error);
        } else {
          status(`NOT saved yet: ${error instanceof Refused ? error.message : "the server does not answer"}`);
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        }
      }
    }
  }
}
