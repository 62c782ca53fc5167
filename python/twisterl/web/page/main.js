// The page: a game, its board, the agent's advice, and the controls.

import { Advice } from "./advice.js";
import { boardOf } from "./boards/all.js";
import { Engine } from "./engine.js";
import { Game } from "./game.js";
import { latest } from "./latest.js";
import { methodsOf } from "./methods.js";
import { compiledModule, policyBytes, requireBrowser, runOf } from "./parts.js";

const OPTIMUM = { nodes: 3e6, seconds: 6 };

const part = (id) => document.getElementById(id);
const moves = (count) => `${count} move${count === 1 ? "" : "s"}`;

function fail(error) {
  part("fault").textContent = error.message;
  part("fault").hidden = false;
}

// A description, with what the environment's parameters are in place of their names.
function filled(text, parameters) {
  return text.replace(/`(\w+)`/g, (_, name) => parameters[name] ?? name).replace(/(\d) x (?=\d)/g, "$1 × ");
}

async function open() {
  requireBrowser();
  const run = runOf();
  const { environment } = run;
  // The thread starts while the parts are unpacked.
  const engine = new Engine();
  const [module, policy] = await Promise.all([compiledModule(), policyBytes(run)]);
  const about = await engine.ask("open", { module, policy, environment });
  part("about").textContent = `${filled(about.about, environment.env)} Trained by ${run.algorithm}, run ${run.run}.`;
  const game = new Game(engine, about);
  document.querySelector("main").hidden = false;
  const page = new Page(run, engine, game, module);
  await page.scramble();
}

class Page {
  #timer = null;
  #prover = null;
  #busy = false;
  #begun = null;
  #advise = null;
  #advised = new Promise((resolve) => { this.#advise = resolve; });

  constructor(run, engine, game, module) {
    this.run = run;
    this.engine = engine;
    this.game = game;
    this.module = module;
    const actions = game.about.actions;
    this.board = boardOf(game.about.name)(part("board"), {
      parameters: run.environment.env, actions, play: (list) => this.#person(list),
    });
    part("help").textContent = this.board.help;
    this.advice = new Advice(actions, (action) => this.#person([action]));
    this.think = latest((place) => this.#think(place));
    this.prove = latest((place) => this.#prove(place));
    this.#methods();
    this.#controls();
    game.addEventListener("change", () => this.#show());
  }

  get method() {
    return this.methods[part("method").value];
  }

  #methods() {
    const { methods, chosen } = methodsOf(this.run);
    this.methods = methods;
    part("method").append(...methods.map(({ label }, index) => new Option(label, index)));
    part("method").value = chosen;
  }

  #controls() {
    const { game } = this;
    const on = (id, work) => part(id).addEventListener("click", () => this.#try(work));
    on("back", () => this.#step(-1));
    on("forth", () => this.#step(1));
    on("play", () => this.#toggle());
    on("solve", () => this.solve());
    on("scramble", () => this.scramble());
    on("goal", () => this.#begin("goal"));
    part("goal").hidden = !game.about.has_goal;
    part("slider").addEventListener("input", () => {
      this.#stop();
      game.go(Number(part("slider").value));
    });
    part("method").addEventListener("change", () => this.think(game.here));
    on("theme", () => {
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      const root = document.documentElement;
      root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const typing = event.target.closest("input, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === " " && event.target.closest("button, [role=button]")) {
      return;
    }
    const action = this.board.keys?.[event.key];
    const work = action !== undefined ? () => this.#person([action]) : {
      Backspace: () => this.#step(-1), z: () => this.#step(-1), ",": () => this.#step(-1),
      ".": () => this.#step(1), p: () => this.#toggle(), s: () => this.solve(),
      n: () => this.scramble(),
    }[event.key];
    if (work) {
      event.preventDefault();
      this.#try(work);
    }
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      part("result").textContent = error.message;
    }
  }

  // A person's actions, one after the other.
  async #person(actions) {
    this.#stop();
    part("result").textContent = "";
    if (actions.length && this.game.here) {
      await this.#try(() => this.game.extend(actions, actions.length));
    }
  }

  #step(by) {
    this.#stop();
    this.game.go(this.game.at + by);
  }

  scramble() {
    return this.#begin(this.game.about.has_uniform ? "uniform" : "reset");
  }

  async #begin(how) {
    this.#stop();
    part("result").textContent = "";
    this.#begun = this.game.start(how);
    await this.#begun;
  }

  async solve() {
    await this.#begun;
    const { here } = this.game;
    if (this.#busy || here.solved) {
      return;
    }
    this.#stop();
    this.#busy = true;
    part("solve").disabled = true;
    part("result").textContent = "searching …";
    try {
      const { label, asked } = this.method;
      const seed = Math.floor(Math.random() * 2 ** 32);
      const found = await this.engine.ask("solve", { slot: here.slot, asked, seed });
      const cost = `${found.nodes.toLocaleString("en")} states, ${found.ms.toFixed(found.ms < 10 ? 1 : 0)} ms`;
      if (!found.solved) {
        part("result").textContent = `Not solved by ${label} (${cost}); another way may find one.`;
        return;
      }
      this.found = { place: here, text: `${label}: ${moves(found.actions.length)} (${cost}).` };
      this.#tell();
      if (this.game.here === here && await this.game.extend(found.actions, 0)) {
        this.#start();
      }
    } finally {
      this.#busy = false;
      this.#show();
    }
  }

  // What was found, beside the optimum as soon as it is proven.
  #tell() {
    if (this.game.places.includes(this.found?.place)) {
      const { optimum } = this.found.place;
      const best = optimum?.proven ? ` The optimum is ${optimum.atLeast}.` : "";
      part("result").textContent = this.found.text + best;
    }
  }

  #toggle() {
    if (this.#timer === null) {
      this.#start();
    } else {
      this.#stop();
      this.#show();
    }
  }

  #start() {
    if (this.game.at === this.game.last) {
      return;
    }
    const next = () => {
      this.#timer = setTimeout(next, Number(part("speed").value));
      this.game.go(this.game.at + 1);
    };
    this.#timer = setTimeout(next, Number(part("speed").value));
    this.#show();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #show() {
    const { game } = this;
    const { here, at, last } = game;
    if (at === last) {
      this.#stop();
    }
    this.board.show(here);
    const name = at > 0 ? `${game.about.actions[here.action]} · ` : "";
    part("status").textContent = here.solved ? (at ? `Solved in ${moves(at)}` : "Solved")
      : here.over ? "Out of steps: go back, or begin anew" : `${name}${moves(at)}`;
    part("status").classList.toggle("solved", here.solved);
    part("slider").max = last;
    part("slider").value = at;
    part("counter").textContent = `${at} / ${last}`;
    part("back").disabled = at === 0;
    part("forth").disabled = at === last;
    part("play").disabled = at === last;
    part("play").textContent = this.#timer === null ? "▶" : "❚❚";
    part("play").setAttribute("aria-label", this.#timer === null ? "play" : "pause");
    part("solve").disabled = this.#busy || here.solved || here.over;
    this.#showOptimum();
    this.think(here);
    if (here.state !== null && !here.optimum) {
      this.prove(here);
    }
  }

  #showOptimum() {
    const { optimum, solved } = this.game.here;
    part("optimum").textContent = solved || !optimum || optimum.atLeast === 0 ? ""
      : optimum.proven ? `optimum: ${moves(optimum.atLeast)}` : `optimum: at least ${optimum.atLeast}`;
  }

  async #think(place) {
    const { slot } = place;
    const said = await this.engine.ask("predict", { slot });
    const { asked } = this.method;
    const looks = asked.strategy === "mcts" && !place.over;
    const visits = looks ? await this.engine.ask("search", { slot, asked, seed: 0 }) : null;
    place.value = said.value;
    if (place === this.game.here) {
      const probabilities = this.run.judged_by_value ? null : said.probabilities;
      this.advice.show(place, { probabilities, value: said.value }, visits);
    }
    this.advice.curve(this.game.places, this.game.at);
    this.#advise();
  }

  // By an engine of its own, for it may take seconds; advice comes first.
  async #prove(place) {
    if (this.#prover === null) {
      await this.#advised;
      this.#prover = new Engine();
      const { environment } = this.run;
      await this.#prover.ask("open", { module: this.module, policy: null, environment });
    }
    try {
      place.optimum = await this.#prover.ask("optimum", { state: place.state, ...OPTIMUM });
    } catch {
      place.optimum = { proven: false, atLeast: 0 };
    }
    this.#showOptimum();
    this.#tell();
  }
}

open().catch(fail);
