// Work of which only the newest matters: what is asked meanwhile waits, and only the last of it.

export function latest(work) {
  let running = false;
  let waiting = null;
  return async function ask(...given) {
    if (running) {
      waiting = given;
      return;
    }
    running = true;
    try {
      await work(...given);
    } finally {
      running = false;
    }
    if (waiting !== null) {
      const next = waiting;
      waiting = null;
      ask(...next);
    }
  };
}
