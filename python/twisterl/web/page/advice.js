// What the agent thinks: a bar for each action, and its value along the moves.

import { element, svg } from "./boards/shapes.js";

const MOST_BARS = 12;

export class Advice {
  #list = document.getElementById("actions");
  #value = document.getElementById("value");
  #curve = document.getElementById("curve");
  #legend = document.getElementById("legend");
  #caption = document.getElementById("caption");
  #rows = [];

  constructor(names, play) {
    this.names = names;
    const count = Math.min(names.length, MOST_BARS);
    for (let row = 0; row < count; row += 1) {
      const bar = element("span", { class: "bar" });
      const visits = element("span", { class: "visits" });
      const [name, share] = [element("span"), element("span")];
      const button = element("button", { type: "button" }, [bar, visits, name, share]);
      bar.style.position = "absolute";
      visits.style.position = "absolute";
      const shown = { button, bar, visits, name, share, action: row };
      button.addEventListener("click", () => play(shown.action));
      this.#rows.push(shown);
      this.#list.append(element("li", {}, [button]));
    }
  }

  // `probabilities` may be null where the policy has learned nothing; `visits` without a search.
  show(place, { probabilities, value }, visits) {
    const weight = probabilities || place.masks.map(Number);
    const order = weight.map((_, action) => action);
    if (order.length > MOST_BARS) {
      order.sort((a, b) => place.masks[b] - place.masks[a] || weight[b] - weight[a]);
    }
    const best = probabilities ? weight.indexOf(Math.max(...weight)) : -1;
    this.#rows.forEach((row, index) => {
      row.action = order[index];
      const legal = place.masks[row.action] && (!place.over || place.solved);
      row.button.disabled = !legal;
      row.button.classList.toggle("best", legal && row.action === best);
      row.name.textContent = this.names[row.action];
      const known = probabilities !== null && legal;
      row.share.textContent = known ? `${(100 * weight[row.action]).toFixed(1)} %` : "";
      row.bar.style.setProperty("--share", known ? weight[row.action] : 0);
      row.visits.style.setProperty("--share", visits ? visits[row.action] : 0);
    });
    const rest = order.length - this.#rows.length;
    this.#legend.textContent = [
      probabilities ? "" : "This run has learned values, not a policy.",
      rest > 0 ? `and ${rest} less likely ones.` : "",
      visits ? "Green: how often the tree search tried a move." : "",
    ].filter(Boolean).join(" ");
    this.#value.textContent = value.toFixed(2);
  }

  // The values that are known of the places, and where we are.
  curve(places, at) {
    const known = places.map(({ value }, index) => [index, value])
      .filter(([, value]) => value !== undefined);
    this.#curve.replaceChildren();
    this.#caption.textContent = known.length < 2 ? "" : "Its value along the moves.";
    if (known.length < 2) {
      return;
    }
    const values = known.map(([, value]) => value);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const x = (index) => 4 + 192 * index / (places.length - 1);
    const y = (value) => 39 - 34 * (value - least) / (most - least || 1);
    this.#curve.append(
      svg("line", { x1: x(at), x2: x(at), y1: 2, y2: 42 }),
      svg("polyline", { points: known.map(([index, value]) => `${x(index)},${y(value)}`).join(" ") }),
    );
  }
}
