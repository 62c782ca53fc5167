// A game as a line of places: those that were played, and those that a solution will lead to.

const MOST_SEEDS = 2 ** 32;

export class Game extends EventTarget {
  #engine;

  constructor(engine, about) {
    super();
    this.#engine = engine;
    this.about = about;
    this.places = [];
    this.at = 0;
  }

  get here() {
    return this.places[this.at];
  }

  get last() {
    return this.places.length - 1;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  async start(how) {
    const seed = Math.floor(Math.random() * MOST_SEEDS);
    let place = await this.#engine.ask("start", { how, seed });
    if (place.state !== null && place.over && !place.solved) {
      place = await this.#engine.ask("put", { state: place.state });
    } else if (place.state !== null && how === "reset") {
      // A game of a person has all the steps that there are.
      place = await this.#engine.ask("put", { state: place.state });
    }
    this.places = [place];
    this.at = 0;
    this.#changed();
  }

  // Puts actions in place of all that follows, and goes `steps` of them.
  async extend(actions, steps) {
    const { at: from, here } = this;
    const { slot, over, solved, masks } = here;
    // From a solved place a person may go on.
    if ((over && !solved) || !actions.length || !masks[actions[0]]) {
      return false;
    }
    const places = await this.#engine.ask("play", { slot, actions });
    if (this.here !== here) {
      return false;
    }
    this.places.splice(from + 1, Infinity, ...places);
    this.go(from + steps);
    return true;
  }

  go(index) {
    this.at = Math.max(0, Math.min(index, this.last));
    this.#changed();
  }
}
