// The engine, on a thread of its own: messages in, answers out, one after the other.
(() => {
  "use strict";

  let engine = null;

  class Engine {
    constructor(instance) {
      this.exports = instance.exports;
      this.function("use_clock")();
    }

    get memory() {
      return this.exports.memory.buffer;
    }

    message() {
      const address = this.exports.message_address() >>> 0;
      return new TextDecoder().decode(
        new Uint8Array(this.memory, address, this.exports.message_length()));
    }

    function(name) {
      if (!this.exports[name]) {
        throw new Error(`the engine in this page lacks ${name}, it is of another version: build it `
          + "anew (make web-module) and make the page again (twisterl web)");
      }
      return this.exports[name];
    }

    // The numbers that a call gives.
    ask(name, ...given) {
      const count = this.function(name)(...given);
      if (count < 0) {
        throw new Error(this.message());
      }
      const address = this.exports.output_address() >>> 0;
      return count ? Array.from(new Float64Array(this.memory, address, count)) : [];
    }

    // The same with bytes in a buffer before the other arguments.
    hand(name, bytes, ...given) {
      const address = this.exports.alloc(bytes.length) >>> 0;
      if (!address) {
        throw new Error(this.message());
      }
      new Uint8Array(this.memory, address, bytes.length).set(bytes);
      try {
        return this.ask(name, address, bytes.length, ...given);
      } finally {
        this.exports.free(address);
      }
    }

    json(name, value, ...given) {
      return this.hand(name, new TextEncoder().encode(JSON.stringify(value)), ...given);
    }

    said(name) {
      this.ask(name);
      return this.message();
    }

    setState(state) {
      this.hand("set_state", new Uint8Array(BigInt64Array.from(state.map(BigInt)).buffer));
    }

    // All that a page shows of where the environment is, and a number to come back by.
    place(action) {
      const [over, solved, truncated, reward] = this.ask("status").map(Number);
      let state = null;
      try {
        state = this.ask("state");
      } catch {
        // Some environments cannot tell it; they are drawn by their text.
      }
      return {
        slot: this.ask("keep")[0], action, state, reward,
        text: this.said("render"), masks: this.ask("masks").map(Boolean),
        over: Boolean(over), solved: Boolean(solved), truncated: Boolean(truncated),
      };
    }
  }

  const commands = {
    async open({ module, policy, environment }) {
      const host = { seconds: () => performance.now() / 1000 };
      engine = new Engine(await WebAssembly.instantiate(module, { host }));
      engine.json("make", environment);
      if (policy) {
        engine.hand("load_policy", policy);
      }
      return JSON.parse(engine.said("describe"));
    },

    // A new game: "uniform", "reset" or "goal", with all the steps that there are where it can be.
    start({ how, seed }) {
      engine.ask("forget");
      engine.ask({ uniform: "reset_uniform", goal: "reset_goal" }[how] || "reset", BigInt(seed));
      return engine.place(null);
    },

    // The same, from the numbers of a state.
    put({ state }) {
      engine.setState(state);
      engine.ask("forget");
      return engine.place(null);
    },

    // The places that actions lead to from a kept one.
    play({ slot, actions }) {
      engine.ask("go_back", slot);
      return actions.map((action) => {
        engine.ask("step", action);
        return engine.place(action);
      });
    },

    predict({ slot }) {
      engine.ask("go_back", slot);
      const numbers = engine.ask("predict");
      return { value: numbers.pop(), probabilities: numbers };
    },

    search({ slot, asked, seed }) {
      engine.ask("go_back", slot);
      return engine.json("search", asked, BigInt(seed));
    },

    solve({ slot, asked, seed }) {
      engine.ask("go_back", slot);
      const begin = performance.now();
      const [solved, nodes, ...actions] = engine.json("solve", asked, BigInt(seed));
      return { solved: Boolean(solved), nodes, actions, ms: performance.now() - begin };
    },

    optimum({ state, nodes, seconds }) {
      engine.setState(state);
      const [proven, atLeast, ...actions] = engine.ask("optimum", nodes, seconds);
      return { proven: Boolean(proven), atLeast, actions };
    },
  };

  onmessage = async ({ data: { id, name, given } }) => {
    try {
      postMessage({ id, answer: await commands[name](given) });
    } catch (error) {
      const lost = error instanceof WebAssembly.RuntimeError;
      postMessage({ id, refused: lost ? "the engine stopped; reload the page" : error.message });
    }
  };
})();
