// Comparing runs: losses along each axis, settings, what is refused, what is said of runs that are not whole.

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import type { MetricsRecord } from "../../lib/run/metrics.ts";
import { compareRuns } from "../../lib/view/compare.ts";
import { readRun } from "../../lib/view/run_data.ts";
import { inFolder, line, putRun, record } from "./made_up_runs.ts";

/** 12 steps, validations every four, loss = start - step / 10, with `stepMs` a step. */
function course(start: number, stepMs = 1000, steps = 12): MetricsRecord[] {
  return Array.from({ length: steps }, (_, i) => {
    const step = i + 1;
    const valLoss = start - step / 10;
    return record(step, { trainLoss: valLoss, stepMs, ...(step % 4 === 0 && { valLoss }) });
  });
}

const single = (path: string) => ({ name: readRun(path).name, runs: [readRun(path)] });

Deno.test("Runs are compared at equal steps, tokens and seconds", () =>
  inFolder((parent) => {
    const a = putRun(parent, "a", course(5));
    // Half the time and twice the tokens of a step.
    const b = putRun(parent, "b", course(4, 500), ["data.batchSequences=8"]);
    const found = compareRuns([single(a), single(b)], 4.15);
    assertEquals([found.measure, found.sameTokensPerStep], ["validation", false]);
    const [steps, tokens, seconds] = found.tables;
    const means = (table: typeof steps) =>
      table?.rows.map(({ at, losses }) => [at, ...losses.map((l) => l.mean)]);
    assertEquals([steps?.interpolated, means(steps)?.map(([at]) => at)], [false, [4, 8, 12]]);
    assertEquals(steps?.rows.at(-1)?.losses.map(({ mean }) => mean.toFixed(4)), ["3.8000", "2.8000"]);
    // Where both have validations: b's steps 4 to 6 are a's steps 8 to 12.
    const last = tokens?.rows.at(-1);
    assertEquals([tokens?.interpolated, last?.at], [true, 12 * 256]);
    assertEquals(last?.losses.map(({ mean }) => mean.toFixed(4)), ["3.8000", "3.4000"]);
    assertEquals(seconds?.rows.at(-1)?.at, 6);
    assertEquals(seconds?.rows.at(-1)?.losses.map(({ mean }) => mean.toFixed(4)), ["4.4000", "2.8000"]);
    assertEquals(found.groups.map(({ runs }) => runs[0]?.reached), [
      { step: 12, tokens: 12 * 256, seconds: 12 },
      { step: 4, tokens: 4 * 512, seconds: 2 },
    ]);
    assertEquals(found.differences, [{ key: "data.batchSequences", values: [["4"], ["8"]] }]);
    assertEquals(found.pairs[0]?.test, { undefinedBecause: "it needs at least two runs of each, found 1" });
  }));

Deno.test("Groups have a mean and deviation, a test between them, and the speedrun's rule", () =>
  inFolder((parent) => {
    const [low, high] = [[5, 5.01, 5.02], [6, 6.02]].map((starts, g) => ({
      name: `group ${g}`,
      runs: starts.map((start, i) => readRun(putRun(parent, `${g}-${i}`, course(start), [`run.seed=${i}`]))),
    }));
    if (low === undefined || high === undefined) throw new Error("two groups were made");
    const found = compareRuns([low, high], 3.9);
    const [first, second] = found.groups;
    assertEquals([first?.final.n, first?.final.mean.toFixed(4), first?.final.sd?.toFixed(4)], [
      3,
      "3.8100",
      "0.0100",
    ]);
    assertEquals(first?.target && "result" in first.target && first.target.result.shown, true);
    assertEquals(second?.target && "result" in second.target && second.target.result.moreRuns, undefined);
    assertEquals(found.tested, "final validation loss");
    const test = found.pairs[0]?.test;
    assertAlmostEquals(test && "result" in test ? test.result.difference : NaN, 1, 1e-9); // sums of decimals
    assertEquals(found.differences, [{ key: "run.seed", values: [["0", "1", "2"], ["0", "1"]] }]);
    const row = found.tables[0]?.rows[0];
    assertEquals(row?.losses.map(({ n }) => n), [3, 2]);
    assertEquals(found.sameTokensPerStep, true);
  }));

Deno.test("Without validations the smoothed training loss is compared; losses that are no numbers are said", () =>
  inFolder((parent) => {
    const bare = course(5).map(({ valLoss: _, ...rest }) => rest);
    const a = putRun(parent, "a", bare);
    const b = putRun(parent, "b", bare.map((one) => one.step === 3 ? { ...one, trainLoss: NaN } : one));
    const found = compareRuns([single(a), single(b)]);
    assertEquals(found.measure, "training");
    assertEquals(found.tables[0]?.rows.at(-1)?.at, 12);
    assertEquals(found.groups.map(({ runs }) => runs[0]?.finalValLoss), [undefined, undefined]);
    assertEquals(found.tested, "loss at step 12, for not every run has a final validation");
    assertEquals(found.groups[1]?.runs[0]?.notes, ["1 of its training losses is no finite number"]);
  }));

Deno.test("Runs of different lengths are compared where all are; an unfinished one has no final loss", () =>
  inFolder((parent) => {
    const a = putRun(parent, "a", course(5));
    const b = putRun(parent, "b", course(5, 1000, 9));
    const found = compareRuns([single(a), single(b)]);
    assertEquals(found.tables[0]?.rows.map(({ at }) => at), [4, 8]);
    assertEquals(found.groups.map(({ runs }) => runs[0]?.finalValLoss?.toFixed(4)), ["3.8000", undefined]);
    assertEquals(found.groups[1]?.runs[0]?.notes, ["it stands at step 9 of 12"]);
    const c = putRun(parent, "c", []);
    const bare = compareRuns([single(a), single(c)]);
    assertEquals(bare.tables[0]?.emptyBecause, "1 of 2 runs have no steps to go by");
    assertEquals(bare.groups[1]?.runs[0]?.notes, ["it has no records"]);
  }));

Deno.test("An imported log lies beside a run; what it does not say stays unknown", () =>
  inFolder((parent) => {
    const a = putRun(parent, "a", course(9, 250));
    const log = join(import.meta.dirname ?? ".", "made_up_log.txt");
    const found = compareRuns([single(a), single(log)]);
    assertEquals([found.measure, found.sameTokensPerStep, found.differences], ["validation", false, []]);
    assertEquals(found.tables.map(({ emptyBecause }) => emptyBecause), [
      undefined,
      "1 of 2 runs have no tokens to go by",
      undefined,
    ]);
  }));

Deno.test("The same run twice is refused, under another name too", () =>
  inFolder((parent) => {
    const a = putRun(parent, "a", course(5));
    assertThrows(() => compareRuns([single(a), single(a)]), UserError, "The same run is given twice, as ");
    Deno.symlinkSync(a, join(parent, "b"));
    assertThrows(() => compareRuns([single(a), single(join(parent, "b"))]), UserError, "given twice");
    Deno.writeTextFileSync(join(a, "log.txt"), "step:1/12 train_loss:5.0000 train_time:1ms step_avg:1ms\n");
    assertThrows(() => compareRuns([single(a), single(join(a, "log.txt"))]), UserError, "given twice");
  }));

Deno.test("A run of one record and one of 100,000 are compared without trouble", () =>
  inFolder((parent) => {
    const a = putRun(parent, "a", [record(1)], ["schedule.steps=1"]);
    const long = putRun(parent, "b", [], ["schedule.steps=100000"]);
    const lines = Array.from({ length: 100_000 }, (_, i) => line(record(i + 1)));
    Deno.writeTextFileSync(join(long, "metrics.jsonl"), lines.join(""));
    assertEquals(
      compareRuns([single(a), single(long)]).tables[0]?.emptyBecause,
      "1 of 2 runs have no steps to go by",
    );
    const other = putRun(parent, "c", course(5));
    const rows = compareRuns([single(other), single(long)]).tables[0]?.rows;
    assertEquals(rows?.at(-1)?.at, 12);
  }));
