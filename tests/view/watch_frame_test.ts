// One frame of watch: its numbers, states, and sizes down to the smallest.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { readRun } from "../../lib/view/run_data.ts";
import { hasEnded, watchFrame } from "../../lib/view/watch_frame.ts";
import { inFolder, putRun, record } from "./made_up_runs.ts";

const FRAME = { columns: 80, rows: 24, unicode: false, color: false, idleSeconds: 1, hint: "q: leave" };

function runOf(parent: string, steps: number, name = "run") {
  const records = Array.from({ length: steps }, (_, i) => record(i + 1, i === 3 ? { valLoss: 4.5 } : {}));
  return readRun(putRun(parent, name, records));
}

Deno.test("watchFrame() shows where a run stands, in 24 lines of at most 80 characters", () =>
  inFolder((parent) => {
    const frame = watchFrame(runOf(parent, 6), "", FRAME);
    assertEquals(frame.slice(0, 5), [
      "run: training, 0:02 of training",
      "[##########----------] step 6/12 50%   0:02 left",
      "loss 4.1667   smoothed 4.5407   validation 4.5000 at step 4",
      "1.00k tok/s   50% of peak   250 ms a step   lr scale 1.000   momentum 0.900",
      "",
    ]);
    assertEquals(frame.length, 24);
    assert(frame.every((line) => line.length <= 80));
    assertEquals(frame.at(-1), ". training loss, smoothed   o validation loss".padEnd(72) + "q: leave");
    assertMatch(frame.at(-2) ?? "", /^ +1 +4 +6$/);
  }));

Deno.test("watchFrame() says when a run has ended, when it is silent, and what was left out", () =>
  inFolder((parent) => {
    const run = runOf(parent, 6);
    assertEquals(hasEnded(run), false);
    const silent = watchFrame({ ...run, notes: ["a \x1b[2J note"] }, "", { ...FRAME, idleSeconds: 125 });
    assertEquals(silent[0], "run: nothing new for 2:05, 0:02 of training");
    assertEquals(silent[4], "Note: a \u00b7[2J note");
    assertEquals(
      watchFrame(run, "", { ...FRAME, idleSeconds: undefined })[0],
      "run: training, 0:02 of training",
    );
    const ended = runOf(parent, 12, "ended");
    assertEquals(hasEnded(ended), true);
    assertEquals(watchFrame(ended, "", { ...FRAME, idleSeconds: 1e6 }).slice(0, 2), [
      "ended: ended, 0:03 of training",
      "[####################] step 12/12 100%",
    ]);
  }));

Deno.test("watchFrame() waits for a run that has no records yet, and fits any terminal", () =>
  inFolder((parent) => {
    assertEquals(watchFrame(undefined, "runs/\x07x", FRAME), [
      "runs/\u00b7x: waiting for its first step",
      "q: leave",
    ]);
    assertEquals(watchFrame(runOf(parent, 0), "", FRAME)[0], "run: waiting for its first step");
    const run = runOf(parent, 9, "a name that is much longer than the terminal is wide");
    for (const [columns, rows] of [[1, 1], [10, 3], [23, 8], [24, 10], [30, 11], [200, 60]] as const) {
      for (const unicode of [false, true]) {
        const frame = watchFrame(run, "", { ...FRAME, columns, rows, unicode });
        assert(frame.length <= rows && frame.every((line) => [...line].length <= columns), frame.join("\n"));
      }
    }
  }));
