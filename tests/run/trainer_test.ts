// The trainer itself, in this process, where it can be stopped after exactly one step or in the middle of a validation:
// what is written then, and that going on gives the bits of a run that was never stopped. Imports lib/run, lib/config.

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Assets } from "../../lib/base/assets.ts";
import { UserError } from "../../lib/base/errors.ts";
import { resolveConfig } from "../../lib/config/load.ts";
import { listCheckpoints } from "../../lib/run/checkpoint.ts";
import { StopFlag, type TrainEvent } from "../../lib/run/events.ts";
import { LONE } from "../../lib/run/ranks.ts";
import { lockFolder } from "../../lib/run/run_log.ts";
import { train } from "../../lib/run/trainer.ts";
import { ROOT } from "../cli/command.ts";
import {
  checkpointDigest,
  inRunFolder,
  metricsOf,
  namesIn,
  someTokens,
  STEP_TOKENS,
  trainArgs,
} from "../cli/small_run.ts";
import { putShard } from "../data/helpers.ts";
import { NO_EMULATED } from "../ffi/gpu_devices.ts";

const assets: Assets = {
  libraries: {
    cpu: join(ROOT, "build", "libnanogpt_cpu.so"),
    cuda: "",
    emulated: join(ROOT, "build", "libnanogpt_emulated.so"),
    emulatedChecked: "",
  },
  corpus: "",
  corpusText: "",
  page: "",
  goldens: "",
  peerScript: "",
};

interface Options {
  readonly values?: Readonly<Record<string, string | number>>;
  readonly resume?: string;
  /** The run is asked to stop at the first event that this accepts. */
  readonly stopAt?: (event: TrainEvent) => boolean;
}

/** Trains the small model on the shards of `folder` into its `name`; returns what was said. */
async function trainSmall(folder: string, name: string, options: Options = {}): Promise<TrainEvent[]> {
  const [, , preset, ...rest] = trainArgs(folder, {
    "schedule.steps": 15,
    "run.valEvery": 5,
    ...options.values,
  });
  const resolved = resolveConfig({ preset, sets: rest.filter((word) => word !== "--set") });
  const stop = new SharedArrayBuffer(4);
  const flag = new StopFlag(stop);
  const events: TrainEvent[] = [];
  await Deno.mkdir(join(folder, name), { recursive: true });
  // On the emulated GPU by a seed that leaves work undone until a wait needs it.
  const environment = { isa: undefined, emulation: "fast:1:2" };
  await train(
    {
      kind: "train",
      resolved,
      assets,
      environment,
      folder: join(folder, name),
      resume: options.resume,
      stop,
      place: LONE,
    },
    (event) => {
      events.push(event);
      if (options.stopAt?.(event)) flag.set();
    },
  );
  return events;
}

/** The last event, which must be the end. */
function endOf(events: readonly TrainEvent[]) {
  const last = events.at(-1);
  assert(last?.kind === "end", `the last event is ${last?.kind}`);
  return last;
}

function notesOf(events: readonly TrainEvent[]): string[] {
  return events.flatMap((event) => event.kind === "note" ? [event.text] : []);
}

/** A metrics.jsonl without what is measured anew each time. */
function courseOf(run: string): unknown[] {
  return metricsOf(run).map((
    { step, trainLoss, valLoss, lrScale, momentum },
  ) => [step, trainLoss, valLoss, lrScale, momentum]);
}

function stepsKept(run: string): number[] {
  return listCheckpoints(run).map(({ step }) => step);
}

Deno.test("A run stopped after any step, or in a validation, goes on to the same bits and the same metrics", (t) =>
  inRunFolder(async (folder) => {
    const whole = join(folder, "whole");
    await trainSmall(folder, "whole");
    const expected = { digest: await checkpointDigest(whole, 15), course: courseOf(whole) };
    const cases: [string, number, (event: TrainEvent) => boolean][] = [
      ["before the first step", 0, (event) => event.kind === "start"],
      ["after the first step", 1, (event) => event.kind === "step" && event.record.step === 1],
      ["at the end of a shard", 10, (event) => event.kind === "step" && event.record.step === 10],
      ["in the middle of a validation", 5, (event) => event.kind === "validating" && event.share > 0.3],
      ["in the last validation", 15, (event) => event.kind === "validating" && event.step === 15],
    ];
    for (const [number, [name, step, stopAt]] of cases.entries()) {
      await t.step(name, async () => {
        const run = join(folder, String(number));
        const first = endOf(await trainSmall(folder, String(number), { stopAt }));
        assertEquals([first.step, first.interrupted], [step, true]);
        assertEquals(stepsKept(run), [step]);
        const second = endOf(await trainSmall(folder, String(number), { resume: "auto" }));
        assertEquals([second.step, second.interrupted], [15, false]);
        assertEquals(second.valLoss, metricsOf(whole).at(-1)?.valLoss);
        assertEquals(await checkpointDigest(run, 15), expected.digest);
        assertEquals(courseOf(run), expected.course);
      });
    }
  }));

Deno.test("A folder is one run's at a time; the lock leaves with the run, and leaves no file", () =>
  inRunFolder(async (folder) => {
    const run = join(folder, "run");
    await Deno.mkdir(run);
    {
      using _other = lockFolder(run);
      const error = await assertRejects(() => trainSmall(folder, "run"), UserError);
      assertMatch(
        error.message,
        /^Another nanogpt is training in .*run; wait for its end or stop it, or choose another folder/,
      );
      assertEquals(namesIn(run), []);
    }
    const whileOn: unknown[] = [];
    const stopAt = () => {
      try {
        lockFolder(run)[Symbol.dispose]();
      } catch (error) {
        whileOn.push(error);
      }
      return false;
    };
    const events = await trainSmall(folder, "run", { stopAt });
    assertEquals(whileOn.filter((error) => error instanceof UserError).length, events.length);
    lockFolder(run)[Symbol.dispose]();
  }));

Deno.test("In log.txt a step's training line comes before its validation's", () =>
  inRunFolder(async (folder) => {
    await trainSmall(folder, "run");
    const lines = Deno.readTextFileSync(join(folder, "run", "log.txt")).split("\n");
    const of5 = lines.filter((line) => line.startsWith("step:5/15 ")).map((line) => line.split(/[ :]/)[2]);
    assertEquals(of5, ["train_loss", "val_loss"]);
  }));

Deno.test("Going on from an earlier checkpoint drops the later metrics and gives the same bits again", () =>
  inRunFolder(async (folder) => {
    const run = join(folder, "run");
    const values = { "run.checkpointEvery": 4, "run.keepCheckpoints": 9 };
    await trainSmall(folder, "run", { values });
    assertEquals(stepsKept(run), [4, 8, 12, 15]);
    const [digest, course] = [await checkpointDigest(run, 15), courseOf(run)];
    const resume = join(run, "checkpoints", "step-000004");
    const stopAt = (event: TrainEvent) => event.kind === "step";
    await trainSmall(folder, "run", { resume, stopAt });
    assertEquals([stepsKept(run).includes(5), metricsOf(run).length], [true, 5]);
    await trainSmall(folder, "run", { resume });
    assertEquals(await checkpointDigest(run, 15), digest);
    assertEquals(courseOf(run), course);
  }));

Deno.test("A finished run that is resumed has nothing to do and says so", () =>
  inRunFolder(async (folder) => {
    const first = endOf(await trainSmall(folder, "run"));
    const digest = await checkpointDigest(join(folder, "run"), 15);
    const events = await trainSmall(folder, "run", { resume: "auto" });
    assertMatch(notesOf(events).join("\n"), /The run is finished already; there is nothing left to do/);
    assertEquals(events.filter(({ kind }) => kind === "step").length, 0);
    assertEquals({ ...endOf(events), trainSeconds: 0 }, { ...first, trainSeconds: 0 });
    assertEquals(await checkpointDigest(join(folder, "run"), 15), digest);
    assertEquals(metricsOf(join(folder, "run")).length, 15);
  }));

/**
 * Has a shard change under the run, for it to meet a token outside the vocabulary in its third step: one that was so from
 * the start would be other data to go on with. For `stopAt`.
 */
async function spoilingShard(folder: string): Promise<(event: TrainEvent) => boolean> {
  const bad = someTokens(14 * STEP_TOKENS + 9, 2);
  bad[2 * STEP_TOKENS + 7] = 256;
  const spoilt = await putShard(folder, "spoilt", bad);
  return ({ kind }) => {
    if (kind === "start") Deno.copyFileSync(spoilt, join(folder, "train_1.bin"));
    return false;
  };
}

Deno.test("Data that go wrong in the middle cost no step: a checkpoint comes before the error", (t) =>
  inRunFolder(async (folder) => {
    const stopAt = await spoilingShard(folder);
    await t.step("a training token that the model does not know", async () => {
      const error = await assertRejects(() => trainSmall(folder, "run", { stopAt }), UserError);
      assertStringIncludes(
        error.message,
        "train_1.bin does not fit the model: token 256 at position 135, but model.vocab is 256",
      );
      assertEquals(stepsKept(join(folder, "run")), [12]);
      assertEquals(metricsOf(join(folder, "run")).length, 12);
    });
    await t.step("once the shard is right, the run goes on", async () => {
      await putShard(folder, "train_1.bin", someTokens(14 * STEP_TOKENS + 9, 2));
      assertEquals(endOf(await trainSmall(folder, "run", { resume: "auto" })).step, 15);
      await trainSmall(folder, "whole");
      assertEquals(
        await checkpointDigest(join(folder, "run"), 15),
        await checkpointDigest(join(folder, "whole"), 15),
      );
    });
    await t.step("a validation token", async () => {
      const val = someTokens(300, 3);
      val[200] = 999;
      await putShard(folder, "val.bin", val);
      const error = await assertRejects(() => trainSmall(folder, "val"), UserError);
      assertStringIncludes(error.message, "token 999 at position 200");
      assertEquals([stepsKept(join(folder, "val")), metricsOf(join(folder, "val")).length], [[5], 5]);
    });
  }));

/** On the emulated GPU: where a step is begun while the one before is under way, and its numbers in float32. */
const EMULATED = { "device.kind": "emulated", "device.precision": "fp32" };

Deno.test("On a GPU a step is begun before the one before it is told of, and nothing else changes", {
  ignore: NO_EMULATED,
}, (t) =>
  inRunFolder(async (folder) => {
    const whole = join(folder, "whole");
    const events = await trainSmall(folder, "whole", { values: EMULATED });
    const expected = { digest: await checkpointDigest(whole, 15), course: courseOf(whole) };
    await t.step("every step is told of, in order, before what comes after it", () => {
      const told = events.flatMap((event): (number | string)[] =>
        event.kind === "step"
          ? [event.record.step]
          : event.kind === "validation" || event.kind === "checkpoint"
          ? [`${event.kind} ${event.step}`]
          : []
      );
      const from = (first: number) => Array.from({ length: 5 }, (_, i) => first + i);
      const upTo = (first: number) => [...from(first).slice(0, 4), `validation ${first + 4}`, first + 4];
      assertEquals(told, [...upTo(1), ...upTo(6), ...upTo(11), "checkpoint 15"]);
      assertEquals(metricsOf(whole).map(({ step }) => step), [...from(1), ...from(6), ...from(11)]);
    });
    await t.step("the steps' times are the wall time of training", () => {
      const sum = metricsOf(whole).reduce((sum, { stepMs }) => sum + Number(stepMs), 0);
      // Sums of the same numbers in the same order, but for the text of metrics.jsonl.
      assert(Math.abs(sum / 1000 - endOf(events).trainSeconds) < 1e-6);
      assertEquals(
        metricsOf(whole).map(({ phaseMs }) => Object.keys(Object(phaseMs)).join()),
        new Array(15).fill("data,accumulate,update,wait"),
      );
    });
    await t.step("the bits are those of a run that stops for a checkpoint after every step", async () => {
      const values = { ...EMULATED, "run.checkpointEvery": 1, "run.keepCheckpoints": 20 };
      await trainSmall(folder, "paused", { values });
      assertEquals(await checkpointDigest(join(folder, "paused"), 15), expected.digest);
      assertEquals(courseOf(join(folder, "paused")), expected.course);
    });
    await t.step(
      "a run stopped when it tells of a step has begun the next, and ends after that",
      async () => {
        const stopAt = (event: TrainEvent) => event.kind === "step" && event.record.step === 7;
        const first = endOf(await trainSmall(folder, "stopped", { values: EMULATED, stopAt }));
        assertEquals([first.step, first.interrupted], [8, true]);
        const stopped = join(folder, "stopped");
        assertEquals([stepsKept(stopped), metricsOf(stopped).length], [[8], 8]);
        assertEquals(
          await checkpointDigest(stopped, 8),
          await checkpointDigest(join(folder, "paused"), 8),
          "the state after the step, with the loader behind its batch",
        );
        await trainSmall(folder, "stopped", { values: EMULATED, resume: "auto" });
        assertEquals(await checkpointDigest(stopped, 15), expected.digest);
        assertEquals(courseOf(stopped), expected.course);
      },
    );
    await t.step("data that go wrong while a step is under way do not cost it", async () => {
      const stopAt = await spoilingShard(folder);
      await assertRejects(() => trainSmall(folder, "spoilt run", { values: EMULATED, stopAt }), UserError);
      const run = join(folder, "spoilt run");
      assertEquals([stepsKept(run), metricsOf(run).length], [[12], 12]);
      assertEquals(await checkpointDigest(run, 12), await checkpointDigest(join(folder, "paused"), 12));
    });
  }));
