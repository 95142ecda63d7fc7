// Logs in the speedrun's form, taken as runs. The log in made_up_log.txt is made up: no figure in it was measured.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { trainingLine, validationLine } from "../../lib/run/metrics.ts";
import { readRun, RunFollower } from "../../lib/view/run_data.ts";
import { inFolder } from "./made_up_runs.ts";

const MADE_UP = join(import.meta.dirname ?? ".", "made_up_log.txt");

Deno.test("readRun() takes the loss lines out of a log that embeds its source, and says where its clock starts", () => {
  const { name, config, steps, columns, notes, phaseMs, samples } = readRun(MADE_UP);
  assertEquals([name, config, steps, phaseMs.size, samples.length], ["made_up_log.txt", undefined, 40, 0, 0]);
  assertEquals([...columns.step], [0, 1, 2, 10, 11, 12, 20, 40]);
  assertEquals([...columns.trainLoss], [NaN, 9.5, 8.5, 6.5, 6.25, 6, 5, 4]);
  assertEquals([...columns.valLoss], [10, NaN, NaN, NaN, NaN, NaN, 4.75, 3.75]);
  assertEquals([...columns.seconds], [NaN, NaN, NaN, NaN, 0.1, 0.2, 1, 3]);
  assertEquals([...columns.tokens], Array(8).fill(NaN), "a log does not say how many");
  assertEquals(notes, [
    "the log's clock starts again before step 11: the time of earlier steps is not counted",
  ]);
});

Deno.test("readRun() takes a run's own log.txt, its last line without an end, and adds up the time of a resumed run", () =>
  inFolder((folder) => {
    const path = join(folder, "log.txt");
    const at = (step: number, trainMs: number) => ({ step, steps: 4, trainMs, timedSteps: step });
    const lines = [
      "nanogpt 0.1.0 preset:tiny precision:bf16 from step:0/4 (train_time leaves out start-up)",
      trainingLine(at(1, 1000), 9),
      trainingLine(at(2, 2000), 8),
      trainingLine(at(3, 3000), 7),
      "nanogpt 0.1.0 preset:tiny precision:bf16 from step:2/4 (train_time leaves out start-up)",
      trainingLine(at(3, 500), 6),
      'step:3/4 sample:"step:9/9 val_loss:1"',
      trainingLine(at(4, 1500), NaN),
      validationLine(at(4, 1500), 5.5),
    ];
    Deno.writeTextFileSync(path, lines.join("\r\n"));
    const follower = new RunFollower(path);
    assertEquals(follower.poll()?.columns.valLoss.at(-1), NaN, "a follower waits for the line's end");
    const { columns, steps, notes } = readRun(path);
    assertEquals([steps, notes], [4, []]);
    assertEquals([...columns.step], [1, 2, 3, 4]);
    assertEquals([...columns.trainLoss], [9, 8, 6, NaN]);
    assertEquals([...columns.valLoss], [NaN, NaN, NaN, 5.5]);
    assertEquals([...columns.seconds], [1, 2, 2.5, 3.5]);
  }));
