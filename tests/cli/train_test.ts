// What nanogpt train leaves and shows: the files of a run, its metrics, log and configuration, checkpoints kept,
// validation, samples, plain lines and the bar on a terminal. Each run is the small model's, of a second.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { compare } from "../../lib/base/compare.ts";
import { momentumAt, rateAt } from "../../lib/optim/schedule.ts";
import { resolveConfig } from "../../lib/config/load.ts";
import { readRun } from "../../lib/view/run_data.ts";
import { type Finished, ROOT } from "./command.ts";
import {
  checkpointDigest,
  denoArgs,
  inRunFolder,
  metricsOf,
  mustRun,
  namesIn,
  sets,
  STEP_TOKENS,
  trainArgs,
} from "./small_run.ts";

const PHASES = ["data", "accumulate", "update"];

/** The documented files and no others; of the checkpoints the 2 newest. */
function checkFiles(out: string): void {
  assertEquals(namesIn(out), [
    "checkpoints",
    "config.json",
    "log.txt",
    "metrics.jsonl",
    "report.html",
    "samples.jsonl",
  ]);
  assertEquals(namesIn(join(out, "checkpoints")), ["step-000008", "step-000012"], "the 2 newest");
  for (const name of namesIn(join(out, "checkpoints"))) {
    assertEquals(namesIn(join(out, "checkpoints", name)), [
      "model.safetensors",
      "optimizer.safetensors",
      "state.json",
    ]);
  }
}

/** One object a sample, at steps 6 and 12, the text that the log has too. */
function checkSamples(out: string): void {
  const samples = readRun(out).samples;
  assertEquals(samples.map(({ step }) => step), [6, 12]);
  const log = Deno.readTextFileSync(join(out, "log.txt"));
  for (const { step, text } of samples) {
    assertStringIncludes(log, `\nstep:${step}/12 sample:${JSON.stringify(text)}\n`);
  }
}

/** One object a step, with a validation at steps 5, 10 and 12. */
function checkMetrics(metrics: readonly Record<string, unknown>[]): void {
  const { optim, schedule } = resolveConfig({ preset: "tiny" }).config;
  assertEquals(metrics.map(({ step }) => step), Array.from({ length: 12 }, (_, i) => i + 1));
  for (const [t, record] of metrics.entries()) {
    const { trainLoss, tokensPerSecond, stepMs, peakShare, phaseMs, valLoss, ...rest } = record;
    assertEquals(rest, { step: t + 1, lrScale: rateAt(schedule, t), momentum: momentumAt(optim, t) });
    for (const value of [trainLoss, tokensPerSecond, stepMs, peakShare]) {
      assert(typeof value === "number" && value > 0, `step ${t + 1}: ${JSON.stringify(record)}`);
    }
    assertEquals(Number(tokensPerSecond), STEP_TOKENS / Number(stepMs) * 1000);
    assertEquals(Object.keys(Object(phaseMs)), PHASES);
    assertEquals(typeof valLoss, [5, 10, 12].includes(t + 1) ? "number" : "undefined", `step ${t + 1}`);
  }
  // The head starts at zero, so that the first loss is that of a guess among 256.
  assertEquals(Number(metrics[0]?.trainLoss).toFixed(4), Math.log(256).toFixed(4));
}

/** The speedrun's lines. */
function checkLog(out: string, metrics: readonly Record<string, unknown>[]): void {
  const log = Deno.readTextFileSync(join(out, "log.txt"));
  const time = String.raw`train_time:\d+ms step_avg:\d+\.\d\dms`;
  for (const [i, { trainLoss, valLoss }] of metrics.entries()) {
    assertMatch(
      log,
      new RegExp(`^step:${i + 1}/12 train_loss:${Number(trainLoss).toFixed(4)} ${time}$`, "m"),
    );
    if (valLoss === undefined) continue;
    assertMatch(
      log,
      new RegExp(`^step:${i + 1}/12 val_loss:${Number(valLoss).toFixed(4)} ${time}$`, "m"),
    );
  }
  assertMatch(log, /^step:6\/12 sample:".*"$/m);
  assertMatch(log, /^step:12\/12 sample:".*"$/m);
  assertEquals(log.match(/ val_loss:/g)?.length, 3);
  assertEquals(log.match(/ sample:/g)?.length, 2);
}

/** Every value and where it came from. */
function checkConfig(out: string): void {
  const { sources, ...config } = JSON.parse(Deno.readTextFileSync(join(out, "config.json")));
  assertEquals([config.model.dim, sources["model.dim"]], [16, "--set"]);
  assertEquals([config.schedule.steps, sources["schedule.steps"]], [12, "preset tiny"]);
  assertEquals([config.run.keepCheckpoints, sources["run.keepCheckpoints"]], [2, "default"]);
  assertEquals([config.run.out, sources["run.out"]], [out, "--out"]);
}

/** Lines without control characters; the result on standard output. */
function checkOutput({ stdout, stderr }: Finished, out: string, loss: number): void {
  assert(!stderr.includes("\x1b") && !stderr.includes("\r"));
  assertMatch(stderr, /^.*: (portable|avx|amx).*, \d+ threads?, measured peak .*FLOP\/s$/m);
  assertMatch(stderr, /^14\.3k parameters, .* planned, 12 steps of 64 tokens, run in /m);
  assertEquals(
    stderr.match(/^step:\d+\/12 train_loss:[\d.]+ step_time:\d+ms tokens_per_second:\d+$/gm)?.length,
    12,
  );
  assertEquals(stderr.match(/^step:\d+\/12 val_loss:/gm)?.length, 3);
  assertEquals(stderr.match(/^step:\d+\/12 checkpoint .*\/step-0000\d\d$/gm)?.length, 3);
  assertMatch(
    stdout,
    new RegExp(`^Done: validation loss ${loss.toFixed(4)}, 12 steps, 0:\\d\\d of training; the run lies in `),
  );
  assertStringIncludes(stdout, out);
}

Deno.test("A run leaves its files, and shows its course in plain lines", (t) =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const every = { "run.valEvery": 5, "run.checkpointEvery": 4, "run.sampleEvery": 6 };
    const args = [...trainArgs(folder, every), "--out", out];
    const finished = await mustRun(args);
    const metrics = metricsOf(out);

    await t.step("exactly the files that are documented", () => checkFiles(out));
    await t.step("metrics.jsonl: one object a step", () => checkMetrics(metrics));
    await t.step("samples.jsonl: one object a sample", () => checkSamples(out));
    await t.step("log.txt: the speedrun's lines", () => checkLog(out, metrics));
    await t.step("config.json: every value and where it came from", () => checkConfig(out));
    await t.step(
      "without a terminal: plain lines",
      () => checkOutput(finished, out, Number(metrics[11]?.valLoss)),
    );
    await t.step("the same again gives the same bits, however often it validates or saves", async () => {
      const again = join(folder, "again");
      await mustRun([...trainArgs(folder, { "run.valEvery": 0 }), "--out", again]);
      assertEquals(await checkpointDigest(again, 12), await checkpointDigest(out, 12));
      const kept = metricsOf(again);
      assertEquals(kept.map(({ trainLoss }) => trainLoss), metrics.map(({ trainLoss }) => trainLoss));
      assertEquals(kept.filter(({ valLoss }) => valLoss !== undefined).length, 1, "always at the end");
      assertEquals(namesIn(join(again, "checkpoints")), ["step-000012"], "always at the end");
    });
  }));

Deno.test("run.keepCheckpoints keeps the newest; the default folder is named after preset and time", () =>
  inRunFolder(async (folder) => {
    const values = { "schedule.steps": 5, "run.checkpointEvery": 1, "run.keepCheckpoints": 3 };
    await mustRun(trainArgs(folder, values), { cwd: folder });
    const [name = "none"] = namesIn(join(folder, "runs"));
    assertMatch(name, /^tiny-\d{8}-\d{6}$/);
    const kept = namesIn(join(folder, "runs", name, "checkpoints"));
    assertEquals(kept, ["step-000003", "step-000004", "step-000005"]);
  }));

/** A shell command line on a terminal of its own, by util-linux's script; what the terminal showed, or why not. */
async function onTerminal(line: string, log: string): Promise<{ code: number; shown: string } | string> {
  try {
    const args = ["--quiet", "--return", "--command", `stty cols 120 && exec timeout 60 ${line}`, log];
    const { code, stderr } = await new Deno.Command("script", {
      args,
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
    })
      .output();
    const problem = new TextDecoder().decode(stderr);
    return problem === "" ? { code, shown: Deno.readTextFileSync(log) } : problem;
  } catch (error) {
    return String(error);
  }
}

Deno.test("On a terminal there is a bar with loss, speed, share of the peak and time left", () =>
  inRunFolder(async (folder) => {
    const args = [...trainArgs(folder, { "run.valEvery": 6 }), "--out", join(folder, "run")];
    const words = [Deno.execPath(), ...denoArgs(args)].map((word) => `'${word}'`).join(" ");
    const result = await onTerminal(words, join(folder, "typescript"));
    if (typeof result === "string") {
      console.log(`Skipped: no terminal can be made here by script(1): ${result}`);
      return;
    }
    const { code, shown } = result;
    assertEquals(code, 0, shown);
    const bars = shown.match(
      // deno-lint-ignore no-control-regex -- the bar is drawn over the one before it
      /\r\x1b\[2K\[[#-]{20}\] \d+\/12 loss \d\.\d{3} [\d.]+[kM]? tok\/s \d+% of peak \d+:\d\d left/g,
    );
    assertEquals(bars?.length, 12, shown);
    assertStringIncludes(shown, `[${"#".repeat(20)}] 12/12`);
    assertStringIncludes(shown, "validating [");
    // The bar is taken away before the last words.
    assertStringIncludes(shown, "\r\x1b[2KDone: validation loss ");
    // deno-lint-ignore no-control-regex -- as above
    assertMatch(shown, /\r\x1b\[2Kstep:6\/12 val_loss:[\d.]+ train_time:/, "lines that stay stand alone");
  }));

Deno.test("--device reference trains in float64 and gives the losses of fp32 on the cpu", () =>
  inRunFolder(async (folder) => {
    const [reference, cpu] = [join(folder, "reference"), join(folder, "cpu")];
    const args = trainArgs(folder, { "schedule.steps": 4 });
    await Promise.all([
      mustRun([...args, "--device", "reference", "--out", reference]),
      mustRun([...args, "--precision", "fp32", "--out", cpu]),
    ]);
    const losses = (run: string) => metricsOf(run).map(({ trainLoss }) => Number(trainLoss));
    // Float32 sums in some hundred operations after one another, spread by three updates.
    const found = compare(losses(cpu), losses(reference), { relative: 1e-5 });
    assert(found.pass, found.reason);
    assertEquals(metricsOf(reference)[0]?.peakShare, null, "no peak is measured");
    const header = new TextDecoder().decode(
      Deno.readFileSync(join(reference, "checkpoints", "step-000004", "model.safetensors")).subarray(8, 500),
    );
    assertStringIncludes(header, '"dtype":"F64"');
  }));

Deno.test("Gradient accumulation: however many microbatches, the same losses", () =>
  inRunFolder(async (folder) => {
    const runs = [1, 2, 4].map((sequences) => ({ sequences, out: join(folder, `of ${sequences}`) }));
    await Promise.all(
      runs.map(({ sequences, out }) =>
        mustRun([
          ...trainArgs(folder),
          "--precision",
          "fp32",
          ...sets({ "data.deviceBatchSequences": sequences }),
          "--out",
          out,
        ])
      ),
    );
    const [one = [], ...others] = runs.map(({ out }) =>
      metricsOf(out).map(({ trainLoss }) => Number(trainLoss))
    );
    for (const other of others) {
      // Before any update sums in another order alone: some float32 epsilons of 6e-8.
      const first = compare(other.slice(0, 1), one.slice(0, 1), { relative: 5e-7 });
      assert(first.pass, first.reason);
      // Twelve updates spread that.
      const all = compare(other, one, { relative: 2e-6 });
      assert(all.pass, all.reason);
    }
  }));
