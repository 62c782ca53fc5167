// The engine as the page sees it: a thread that answers.

import { workerSource } from "./parts.js";

export class Engine {
  #worker;
  #waiting = new Map();
  #next = 0;

  constructor() {
    const source = new Blob([workerSource()], { type: "text/javascript" });
    const address = URL.createObjectURL(source);
    this.#worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.#worker.onmessage = ({ data: { id, answer, refused } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (refused === undefined) {
        resolve(answer);
      } else {
        reject(new Error(refused));
      }
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#waiting.forEach(({ reject }) => reject(new Error("the engine cannot be started")));
      this.#waiting.clear();
    };
  }

  ask(name, given = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next;
      this.#next += 1;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, given });
    });
  }
}
