// Signals and a terminal that goes away, on the real process: SIGINT and SIGTERM end a run with a checkpoint from which
// it goes on bit for bit, also before the first step, a second one ends it at once, also in the middle of a step; SIGHUP and closed outputs do not
// disturb it. Exact steps are tested with the trainer (tests/run/trainer_test.ts).

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { shellWord } from "../../lib/cli/train_view.ts";
import { ROOT } from "./command.ts";
import {
  checkpointDigest,
  denoArgs,
  inRunFolder,
  metricsOf,
  mustRun,
  namesIn,
  Started,
  trainArgs,
} from "./small_run.ts";

const STEPS = 250;
/** Long enough that a signal reaches it before its end, on any machine: steps of eight microbatches. */
const LONG = { "schedule.steps": STEPS, "run.valEvery": 100, "data.batchSequences": 8 };

/** What a run computed, without what is measured anew each time. */
function courseOf(run: string): unknown[] {
  return metricsOf(run).map(({ step, trainLoss, valLoss }) => [step, trainLoss, valLoss]);
}

/** The step that an interrupted run says it stopped after, having said how to go on. */
function interruptedAt(stdout: string, out: string): number {
  const step = Number(
    /^Interrupted after step (\d+) of 250; go on with: nanogpt train --resume /.exec(stdout)?.[1],
  );
  assert(step > 0 && step < STEPS, stdout);
  assertStringIncludes(stdout, `--resume ${shellWord(out)}\n`);
  return step;
}

Deno.test("SIGINT and SIGTERM finish the step; resumed, the run ends as one that was never stopped", (t) =>
  inRunFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "stopped")];
    const args = [...trainArgs(folder, LONG), "--out"];
    await mustRun([...args, whole, "--set", "device.threads=1"]);
    const stopped: number[] = [];
    const stopBy = async (signal: Deno.Signal, words: readonly string[], shown: string) => {
      const started = new Started(words);
      await started.shown(shown);
      started.signal(signal);
      const { code, stdout, stderr } = await started.end();
      assertEquals(code, 130, stderr);
      assertStringIncludes(
        stderr,
        "Stopping after this step with a checkpoint; press Ctrl-C again to leave at once\n",
      );
      const step = interruptedAt(stdout, out);
      stopped.push(step);
      assert(namesIn(join(out, "checkpoints")).includes(`step-${String(step).padStart(6, "0")}`));
      assertEquals(metricsOf(out).length, step, "the step was finished");
      assertMatch(
        Deno.readTextFileSync(join(out, "log.txt")),
        new RegExp(`\nstep:${step}/250 interrupted\n$`),
      );
      return stderr;
    };

    await t.step("SIGINT in a new run", async () => {
      await stopBy("SIGINT", [...args, out, "--set", "device.threads=2"], "step:1/250");
    });
    await t.step("SIGTERM in one resumed by --resume DIR, which knows its own configuration", async () => {
      const stderr = await stopBy("SIGTERM", ["train", "--resume", out], "going on after step");
      assertStringIncludes(
        stderr,
        `Resuming from ${out}/checkpoints/step-${String(stopped[0]).padStart(6, "0")}\n`,
      );
    });
    await t.step("--resume auto to the end: the same bits, with 1 thread and with 2", async () => {
      const { stderr } = await mustRun(["train", "--resume", "auto", "--out", out]);
      assertStringIncludes(stderr, `going on after step ${stopped[1]}\n`);
      assertEquals(await checkpointDigest(out, STEPS), await checkpointDigest(whole, STEPS));
      assertEquals(courseOf(out), courseOf(whole));
      const shown = JSON.parse(Deno.readTextFileSync(join(out, "config.json")));
      assertEquals([shown.device.threads, shown.schedule.steps], [2, STEPS]);
    });
    await t.step("resumed once more: nothing to do", async () => {
      const { stdout, stderr } = await mustRun(["train", "--resume", out]);
      assertStringIncludes(stderr, "The run is finished already; there is nothing left to do\n");
      assertMatch(stdout, /^Done: validation loss [\d.]+, 250 steps/);
      assertEquals(courseOf(out), courseOf(whole));
    });
  }));

Deno.test("A run interrupted as it starts leaves a checkpoint of no steps, from which it goes on", () =>
  inRunFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "stopped")];
    const args = trainArgs(folder, { "schedule.steps": 3, "data.batchSequences": 8 });
    await mustRun([...args, "--out", whole]);
    const path = join(out, "checkpoints", "step-000000");
    const started = new Started([...args, "--out", out]);
    while (!namesIn(folder).includes("stopped")) await new Promise((wake) => setTimeout(wake, 1));
    await new Promise((wake) => setTimeout(wake, 20)); // signals are watched from just after, the start takes longer
    started.signal("SIGINT");
    const { code, stdout, stderr } = await started.end();
    assertEquals(code, 130, stderr);
    assertMatch(stdout, /^Interrupted after step 0 of 3; go on with: nanogpt train --resume /);
    assertEquals(namesIn(join(out, "checkpoints")), ["step-000000"]);
    const resumed = await mustRun(["train", "--resume", out]);
    assertStringIncludes(resumed.stderr, `Resuming from ${path}\n`);
    assertEquals(await checkpointDigest(out, 3), await checkpointDigest(whole, 3));
  }));

Deno.test("A second signal leaves at once, in the middle of a step, with nothing half-written", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    // Steps of some seconds: the reference device, with a wide head.
    const slow = { "model.vocab": 50304, "model.dim": 128, "data.sequenceLength": 64 };
    const data = {
      "data.batchSequences": 8,
      "data.train": join(folder, "train_1.bin"),
      "data.valTokens": 256,
    };
    const args = [...trainArgs(folder, { ...slow, ...data }), "--device", "reference", "--out", out];
    const started = new Started(args);
    await started.shown("run in ");
    started.signal("SIGINT");
    await started.shown("Stopping after this step"); // the interface answers while the step goes on
    const before = performance.now();
    started.signal("SIGINT");
    const { code, stdout, stderr } = await started.end();
    assertEquals([code, stdout], [130, ""], stderr);
    assert(performance.now() - before < 5000, "at once");
    assertEquals(namesIn(out).filter((name) => name !== "log.txt"), ["config.json", "metrics.jsonl"]);
    assertEquals(Deno.readTextFileSync(join(out, "metrics.jsonl")), "", "the step was not finished");
  }));

Deno.test("A run goes on to its end when the terminal hangs up", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const started = new Started([...trainArgs(folder, LONG), "--out", out]);
    await started.shown("step:1/250");
    started.signal("SIGHUP");
    const { code, stderr } = await started.end();
    assertEquals(code, 0, stderr);
    assertEquals(metricsOf(out).length, STEPS);
  }));

Deno.test("A run goes on to its end, logging to its files, when nobody reads what it says", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const words = [Deno.execPath(), ...denoArgs([...trainArgs(folder, LONG), "--out", out])];
    const line = words.map((word) => `'${word}'`).join(" ");
    // head ends after the first line, and with it the pipe of both outputs; the exit code goes to a file.
    const script = `{ timeout 60 ${line} 2>&1; echo $? > '${folder}/code'; } | head -n 1`;
    const { stdout } = await new Deno.Command("sh", { args: ["-c", script], cwd: ROOT }).output();
    assertMatch(new TextDecoder().decode(stdout), /^.*threads?.*\n$/);
    assertEquals(Deno.readTextFileSync(join(folder, "code")), "0\n");
    assertEquals(metricsOf(out).length, STEPS);
    assertEquals(namesIn(join(out, "checkpoints")), ["step-000250"]);
    assertMatch(Deno.readTextFileSync(join(out, "log.txt")), /^step:250\/250 val_loss:/m);
  }));
