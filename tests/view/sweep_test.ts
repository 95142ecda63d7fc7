// Sweeps as plain data: which runs, their names, what is refused, when one is behind, the table.

import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../lib/base/errors.ts";
import { readRun } from "../../lib/view/run_data.ts";
import {
  Chase,
  combinationsOf,
  Pace,
  parseAxes,
  planSweep,
  sweepLines,
  type SweepRun,
} from "../../lib/view/sweep.ts";
import { inFolder, putRun, record } from "./made_up_runs.ts";

Deno.test("planSweep() makes every combination with every seed, named by its values", () => {
  const axes = parseAxes(["optim.muonLr=0.02,4e-2", "data.val=a/*.bin,b"], ["optim.headLr=1"]);
  assertEquals(axes[0], { key: "optim.muonLr", values: ["0.02", "4e-2"] });
  const runs = planSweep(axes, 2, 7);
  assertEquals(runs.map(({ name }) => name), [
    "muonLr=0.02,val=a__.bin,seed=7",
    "muonLr=0.02,val=a__.bin,seed=8",
    "muonLr=0.02,val=b,seed=7",
    "muonLr=0.02,val=b,seed=8",
    "muonLr=4e-2,val=a__.bin,seed=7",
    "muonLr=4e-2,val=a__.bin,seed=8",
    "muonLr=4e-2,val=b,seed=7",
    "muonLr=4e-2,val=b,seed=8",
  ]);
  assertEquals(runs[7], {
    name: "muonLr=4e-2,val=b,seed=8",
    values: { "optim.muonLr": "4e-2", "data.val": "b" },
    seed: 8,
    sets: ["optim.muonLr=4e-2", "data.val=b", "run.seed=8"],
  });
});

Deno.test("parseAxes() and planSweep() refuse what makes no sweep", () => {
  const refused: [string[], string[], string][] = [
    [["optim.muonLr"], [], "Cannot use --over optim.muonLr: found no key, expected a key and values"],
    [["optim.muonLr=0.1,"], [], "found an empty value"],
    [["optim.muon=1"], [], "found the key optim.muon, which does not exist"],
    [["run.seed=1,2"], [], "a sweep sets run.seed itself, see --seeds and --out"],
    [["optim.muonLr=1,1"], [], "has the same value twice"],
    [["optim.muonLr=1", "optim.muonLr=2"], [], "optim.muonLr is given twice"],
    [["optim.muonLr=1"], ["optim.muonLr=2"], "optim.muonLr is given twice"],
  ];
  for (const [over, sets, message] of refused) assertThrows(() => parseAxes(over, sets), UserError, message);
  const alike = [{ key: "data.val", values: ["a b", "a/b"] }];
  assertThrows(
    () => planSweep(alike, 1, 0),
    UserError,
    "Two runs would have the same folder, val=a_b,seed=0",
  );
  const many = [{ key: "optim.muonLr", values: Array.from({ length: 101 }, (_, i) => String(i)) }];
  assertThrows(() => planSweep(many, 10, 0), UserError, "The sweep has 1010 runs");
});

Deno.test("Chase stops a run above the best one's smoothed loss, after a quarter of its steps and before the last", () =>
  inFolder((parent) => {
    const flat = (loss: number) =>
      Array.from({ length: 12 }, (_, i) => record(i + 1, { trainLoss: loss, valLoss: loss }));
    const pace = new Pace();
    const behindAt = (loss: number, margin: number, steps = 12) => {
      const chase = new Chase(pace, steps, margin);
      return Array.from({ length: steps }, (_, i) => i + 1).filter((step) => chase.isBehind(step, loss));
    };
    assertEquals(behindAt(9, 0.5), [], "there is no best run yet");
    pace.finished(readRun(putRun(parent, "best", flat(4))));
    pace.finished(readRun(putRun(parent, "worse", flat(5))));
    assertEquals(behindAt(4.6, 0.5), [4, 5, 6, 7, 8, 9, 10, 11]);
    assertEquals(behindAt(4.4, 0.5), []);
    assertEquals(behindAt(NaN, 0.5), [], "a loss that is no number is the trainer's to judge");
    assertEquals(
      behindAt(9, 0.5, 16),
      [5, 6, 7, 8, 9, 10, 11, 12],
      "beyond the best run's end nothing is known",
    );
  }));

Deno.test("combinationsOf() ranks by the mean of final losses; the table says what became of the other runs", () => {
  const run = (rate: string, seed: number, valLoss: number | null, status: SweepRun["status"]): SweepRun => ({
    name: "",
    values: { "optim.muonLr": rate },
    seed,
    status,
    step: 1,
    seconds: 1,
    valLoss,
  });
  const combinations = combinationsOf([
    run("0.1", 0, null, "diverged"),
    run("0.1", 1, null, "behind"),
    run("0.2", 0, 5, "done"),
    run("0.2", 1, null, "to do"),
    run("0.4", 0, 4, "done"),
    run("0.4", 1, 4.5, "done"),
  ]);
  assertEquals(sweepLines(parseAxes(["optim.muonLr=0.1,0.2,0.4"], []), combinations), [
    "muonLr    runs  val loss      sd",
    "0.4     2 of 2    4.2500  0.3536",
    "0.2     1 of 2    5.0000       -  1 to do",
    "0.1     0 of 2         -       -  1 diverged, 1 behind",
  ]);
});
