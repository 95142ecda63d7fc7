// Runs as files tell them: folders, finished, growing, damaged, resumed, and how fast a long one is read. Imported logs
// are in import_log_test.ts.

import { assert, assertEquals, assertLess, assertMatch, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { MetricsLog, SampleLog } from "../../lib/run/metrics.ts";
import { readRun, RunFollower } from "../../lib/view/run_data.ts";
import { inFolder, line, putRun, record } from "./made_up_runs.ts";

/** Tokens of a step of the tiny preset: 4 sequences of 64. */
const STEP_TOKENS = 256;

function append(folder: string, text: string, file = "metrics.jsonl"): void {
  Deno.writeTextFileSync(join(folder, file), text, { append: true });
}

Deno.test("readRun() gives columns, phases, samples and the configuration of a folder", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "first", [
      record(1),
      record(2, { valLoss: 6.25, peakShare: null, stepMs: 750, phaseMs: { data: 2, validate: 9 } }),
    ], ["optim.muonLr=0.02"]);
    append(folder, '{"step":2,"text":"Hello"}\n', "samples.jsonl");
    const { name, path, config, steps, columns, phaseMs, samples, notes } = readRun(folder);
    assertEquals([name, path, steps, notes], ["first", folder, 12, []]);
    assertEquals([config?.config.optim.muonLr, config?.sources["optim.muonLr"]], [0.02, "--set"]);
    assertEquals(
      Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, [...values]])),
      {
        step: [1, 2],
        tokens: [STEP_TOKENS, 2 * STEP_TOKENS],
        seconds: [0.25, 1],
        trainLoss: [10, 6.5],
        valLoss: [NaN, 6.25],
        lrScale: [1, 1],
        momentum: [0.9, 0.9],
        tokensPerSecond: [1000, 1000],
        peakShare: [0.5, NaN],
        stepMs: [250, 750],
      },
    );
    assertEquals(Object.fromEntries([...phaseMs].map(([key, values]) => [key, [...values]])), {
      data: [1, 2],
      accumulate: [200, NaN],
      update: [49, NaN],
      validate: [NaN, 9],
    });
    assertEquals(samples, [{ step: 2, text: "Hello" }]);
  }));

Deno.test("readRun() leaves out lines that are no records, says how many, and reads losses that are not finite", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "run", [record(1)]);
    append(folder, `nonsense\n\n[]\n${line(record(2, { trainLoss: NaN }))}${line(record(3)).slice(0, -20)}`);
    append(folder, '{"step":1}\n{"step":1,"text":"Hello"}\n{"step":2,"te', "samples.jsonl");
    const { columns, samples, notes } = readRun(folder);
    assertEquals([...columns.step], [1, 2]);
    assertEquals([...columns.trainLoss], [10, NaN]);
    assertEquals(samples.length, 1);
    assertEquals(notes, [
      "3 lines of metrics.jsonl are no records and were left out",
      "2 lines of samples.jsonl are no samples and were left out",
    ]);
  }));

Deno.test("readRun() lets a record of an earlier step make the later ones void, as a resumed run does", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "run", [1, 2, 3, 4].map((step) => record(step)));
    append(folder, line(record(3, { trainLoss: 1 })));
    const { columns } = readRun(folder);
    assertEquals([...columns.step], [1, 2, 3]);
    assertEquals([...columns.seconds], [0.25, 0.5, 0.75]);
    assertEquals(columns.trainLoss[2], 1);
  }));

Deno.test("readRun() takes a folder with a configuration and no metrics, and one with a damaged configuration", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "run", [record(1)]);
    Deno.removeSync(join(folder, "metrics.jsonl"));
    assertEquals(readRun(folder).columns.step.length, 0);
    Deno.writeTextFileSync(join(folder, "metrics.jsonl"), line(record(1)));
    Deno.writeTextFileSync(join(folder, "config.json"), '{"preset":"tiny","model":{"layerz":3}}');
    const damaged = readRun(folder);
    assertEquals([damaged.config, damaged.columns.tokens[0]], [undefined, NaN]);
    assertMatch(damaged.notes.join(), /model\.layerz.*unknown key/s);
    Deno.removeSync(join(folder, "config.json"));
    assertEquals(readRun(folder).notes, ["there is no config.json"]);
  }));

Deno.test("readRun() says what is wrong with a path that holds no run", () =>
  inFolder((parent) => {
    assertThrows(() => readRun(join(parent, "none")), UserError, "none: there is nothing");
    assertThrows(
      () => readRun(parent),
      UserError,
      "holds no run: expected config.json or metrics.jsonl in it",
    );
    const text = join(parent, "text.txt");
    Deno.writeTextFileSync(text, "no log\n");
    assertThrows(() => readRun(text), UserError, 'without a line such as "step:125/1875 val_loss:3.9123');
  }));

Deno.test("RunFollower reads what was appended, waits for the end of a line, and says when nothing is new", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "run", [record(1)]);
    const follower = new RunFollower(folder);
    const first = follower.poll();
    assertEquals([...first?.columns.step ?? []], [1]);
    assertEquals(follower.poll(), undefined);
    const [start, end] = [line(record(2)).slice(0, 30), line(record(2)).slice(30)];
    append(folder, start);
    assertEquals(follower.poll(), undefined, "half a line is nothing new");
    append(folder, end + line(record(3)));
    assertEquals([...follower.poll()?.columns.step ?? []], [1, 2, 3]);
    append(folder, '{"step":3,"text":"\u00e9"}\n', "samples.jsonl");
    assertEquals(follower.poll()?.samples, [{ step: 3, text: "\u00e9" }]);
    assertEquals([...first?.columns.step ?? []], [1], "what was handed out stays");
  }));

Deno.test("RunFollower starts over when the run is resumed, however its files were replaced", () =>
  inFolder((parent) => {
    const folder = putRun(parent, "run", [1, 2, 3, 4].map((step) => record(step)));
    append(folder, [2, 4].map((step) => `{"step":${step},"text":"x"}\n`).join(""), "samples.jsonl");
    const follower = new RunFollower(folder);
    assertEquals(follower.poll()?.columns.step.length, 4);
    // As the trainer does on resuming after step 2; the second one amends a record.
    for (const last of [2, 1]) {
      const log = new MetricsLog(join(folder, "metrics.jsonl"), last);
      log.append(record(last + 1, { trainLoss: 1 }));
      log.close();
    }
    new SampleLog(join(folder, "samples.jsonl"), 2).close();
    const { columns, samples } = follower.poll() ?? {};
    assertEquals([[...columns?.step ?? []], [...columns?.trainLoss ?? []]], [[1, 2], [10, 1]]);
    assertEquals(samples, [{ step: 2, text: "x" }]);
    Deno.truncateSync(join(folder, "metrics.jsonl"));
    assertEquals(follower.poll()?.columns.step.length, 0);
    Deno.removeSync(join(folder, "metrics.jsonl"));
    append(folder, line(record(1)));
    assertEquals([...follower.poll()?.columns.step ?? []], [1]);
    Deno.writeTextFileSync(
      join(folder, "metrics.jsonl"),
      [7, 8, 9].map((step) => line(record(step))).join(""),
    );
    assertEquals([...follower.poll()?.columns.step ?? []], [7, 8, 9], "the same file, other bytes");
  }));

Deno.test("RunFollower waits for a run in a folder that holds none yet, and takes up a new configuration", () =>
  inFolder((parent) => {
    const follower = new RunFollower(parent);
    assertEquals(follower.poll(), undefined);
    const run = putRun(parent, "other", [record(1)]);
    for (const file of ["config.json", "metrics.jsonl"]) Deno.renameSync(join(run, file), join(parent, file));
    assertEquals([...follower.poll()?.columns.tokens ?? []], [STEP_TOKENS]);
    const config = join(parent, "config.json");
    const text = Deno.readTextFileSync(config).replace('"batchSequences": 4', '"batchSequences": 16');
    Deno.writeTextFileSync(config, text);
    assertEquals([...follower.poll()?.columns.tokens ?? []], [4 * STEP_TOKENS]);
    assertEquals(follower.poll(), undefined);
  }));

Deno.test("A run of 100,000 steps is read at once and followed without reading it again", () =>
  inFolder((parent) => {
    const steps = Array.from({ length: 100_000 }, (_, i) => record(i + 1, { trainLoss: 3 + Math.sin(i) }));
    const folder = putRun(parent, "long", steps);
    // The target is half a second on a free core; other work may take most of it, and a slow way takes ten times that.
    const started = performance.now();
    assertEquals(readRun(folder).columns.step.at(-1), 100_000);
    const readMs = performance.now() - started;
    assertLess(readMs, 2500);
    const follower = new RunFollower(folder);
    follower.poll();
    append(folder, line(record(100_001)));
    const appended = performance.now();
    assertEquals(follower.poll()?.columns.step.length, 100_001);
    assertLess(performance.now() - appended, readMs / 5, "one line, not the whole file");
    assert(follower.poll() === undefined);
  }));
