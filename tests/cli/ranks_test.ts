// Several ranks, as a user meets them: they train as one does, to the same bits each time, go on from a checkpoint of however
// many, and stop, fail and refuse as one: on the cpu's shared memory, and on emulated GPUs through the imitation of NCCL. The
// model's tables are large enough to be shared out in parts.

import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { MARKS } from "../../lib/run/marks.ts";
import { HAS_GPU, NO_EMULATED } from "../ffi/gpu_devices.ts";
import {
  checkpointDigest,
  inRunFolder,
  metricsOf,
  mustRun,
  namesIn,
  run,
  Started,
  trainArgs,
} from "./small_run.ts";

const SIZES = { "model.vocab": 2048, "run.checkpointEvery": 6, "run.keepCheckpoints": 9, "run.valEvery": 6 };
const FP32 = ["--precision", "fp32"];

/** `train` of the small model, four microbatches a step. */
const args = (folder: string, values: Readonly<Record<string, string | number>> = {}) => [
  ...trainArgs(folder, { ...SIZES, ...values }),
  ...["--device", "cpu", ...FP32],
];

/** Step and losses of a run. */
const courseOf = (run: string) =>
  metricsOf(run).map(({ step, trainLoss, valLoss }) => ({ step, trainLoss, valLoss }));

/** Two runs of the same model: the first step's loss has the same parameters, later ones sums in another order. */
function assertSameCourse(found: string, wanted: string, exactSteps: number, mark: number): void {
  const [ours, theirs] = [courseOf(found), courseOf(wanted)];
  assertEquals(ours.length, theirs.length);
  for (const [i, { step, trainLoss, valLoss }] of ours.entries()) {
    const other = theirs[i];
    assertEquals(step, other?.step);
    if (i < exactSteps) assertEquals(trainLoss, other?.trainLoss, `step ${step}`);
    for (const [a, b] of [[trainLoss, other?.trainLoss], [valLoss, other?.valLoss]]) {
      if (b === undefined) assertEquals(a, b);
      else assertAlmostEquals(Number(a), Number(b), mark, `step ${step}`);
    }
  }
}

Deno.test("Ranks on the cpu", (t) =>
  inRunFolder(async (folder) => {
    const [one, two, four] = ["one", "two", "four"].map((name) => join(folder, name));
    assert(one && two && four);
    await mustRun([...args(folder), "--out", one]);
    const { stderr } = await mustRun([...args(folder), "--ranks", "2", "--out", two]);
    const digest = await checkpointDigest(two, 12);
    await t.step("say how many they are, and write the files of one run", () => {
      assertMatch(stderr, /^.*: [a-z0-9]+, 2 ranks, each with 1 thread/m);
      assertEquals(namesIn(two), namesIn(one));
      assertEquals(namesIn(join(two, "checkpoints")), namesIn(join(one, "checkpoints")));
    });
    await t.step("train as one rank does", async () => {
      assertSameCourse(two, one, 1, MARKS.fp32.run);
      await mustRun([...args(folder), "--ranks", "4", "--out", four]);
      assertSameCourse(four, one, 1, MARKS.fp32.run);
    });
    await t.step("give the same bits again", async () => {
      const again = join(folder, "again");
      await mustRun([...args(folder), "--ranks", "2", "--out", again]);
      assertEquals([courseOf(again), await checkpointDigest(again, 12)], [courseOf(two), digest]);
    });
    await t.step("go on from a checkpoint: as many to the same bits, more as more do", async () => {
      const path = join(two, "checkpoints", "step-000006");
      const course = courseOf(two);
      await mustRun(["train", "--resume", path, "--ranks", "2"]);
      assertEquals([courseOf(two), await checkpointDigest(two, 12)], [course, digest]);
      await mustRun(["train", "--resume", path, "--ranks", "4"]);
      assertSameCourse(two, four, 1, MARKS.fp32.run);
      assertEquals(courseOf(two).slice(0, 6), course.slice(0, 6));
      // The seventh step begins from the same bits.
      assertEquals(courseOf(two)[6]?.trainLoss, course[6]?.trainLoss);
    });
    await t.step("leave a checkpoint that one rank evaluates", async () => {
      const { stdout } = await mustRun(["eval", four, "--json"]);
      assertEquals(JSON.parse(stdout).valLoss, courseOf(four).at(-1)?.valLoss);
    });
  }));

Deno.test("Ranks stop together, with a checkpoint from which they go on", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "stopped");
    const started = new Started([
      ...args(folder, { "schedule.steps": 400, "run.valEvery": 200 }),
      ...["--ranks", "2", "--out", out],
    ]);
    await started.shown("step:8/400");
    started.signal("SIGINT");
    const { code, stdout } = await started.end();
    assertEquals(code, 130);
    const step = Number(/Interrupted after step (\d+) of 400/.exec(stdout)?.[1]);
    assert(step >= 8 && step < 400, stdout);
    assertEquals(metricsOf(out).length, step);
    assertStringIncludes(namesIn(join(out, "checkpoints")).join(), `step-${String(step).padStart(6, "0")}`);
  }));

Deno.test("A value that is not finite ends all ranks, each of which keeps its part of the batch", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "diverged");
    // 0 in float32: what has no gradient yet, as embeddings of tokens not seen, becomes 0/0.
    const { code, stderr } = await run([
      ...args(folder, { "optim.adamEps": 1e-300 }),
      ...["--ranks", "2", "--out", out],
    ]);
    assertEquals(code, 2, stderr);
    const step = /Step (\d+) met a value that is not finite: /.exec(stderr)?.[1]?.padStart(6, "0");
    assertStringIncludes(stderr, `bad-batch-step-${step}-rank-*.safetensors`);
    const kept = namesIn(out).filter((name) => name.startsWith("bad-batch"));
    assertEquals(kept, [0, 1].map((rank) => `bad-batch-step-${step}-rank-${rank}.safetensors`));
  }));

Deno.test("Where one rank fails alone, the others end with it and its message is the run's", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "blocked");
    await Deno.mkdir(out);
    await Deno.writeTextFile(join(out, "checkpoints"), "no folder"); // what the first rank alone writes
    const words = [...args(folder), "--ranks", "4", "--resume", "auto", "--out", out];
    const { code, stderr } = await run(words);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /Cannot write the checkpoint .*step-000006/);
    assertEquals(metricsOf(out).length, 6);
  }));

Deno.test("Numbers of ranks that cannot be had are refused before anything is trained", async () => {
  const cases: [string[], string][] = [
    [["--ranks", "3"], "Cannot share the 4 microbatches of a step out over 3 ranks"],
    [["--ranks", "0"], "Expected a whole number from 1"],
    [["--ranks", "two"], "Expected a whole number from 1"],
    [["--ranks", "2", "--device", "reference"], "The reference device trains on one rank only"],
    ...(HAS_GPU ? [] : [[["--ranks", "2", "--device", "cuda"], "cuda"] satisfies [string[], string]]),
  ];
  await inRunFolder(async (folder) => {
    for (const [words, message] of cases) {
      const { code, stderr } = await run([...trainArgs(folder), "--out", join(folder, "run"), ...words]);
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, message);
      assert(!namesIn(folder).includes("run"), words.join(" "));
    }
  });
});

Deno.test("Ranks on emulated GPUs", { ignore: NO_EMULATED }, () =>
  inRunFolder(async (folder) => {
    const short = {
      "schedule.steps": 4,
      "schedule.warmdownSteps": 1,
      "run.valEvery": 4,
      "run.checkpointEvery": 2,
    };
    const [cpu, gpu] = [join(folder, "cpu"), join(folder, "gpu")];
    await mustRun([...args(folder, short), "--out", cpu]);
    const words = [...trainArgs(folder, { ...SIZES, ...short }), "--device", "emulated", ...FP32];
    const { stderr } = await mustRun([...words, "--ranks", "2", "--out", gpu]);
    assertMatch(stderr, /^emulated H100: sm90a, simulated, 2 ranks, each with /m);
    assertSameCourse(gpu, cpu, 0, MARKS.fp32.run);
    // Through the imitation of NCCL the order of sums is drawn from a seed: the marks, not bits.
    await mustRun([
      "train",
      "--resume",
      join(gpu, "checkpoints", "step-000002"),
      "--ranks",
      "4",
    ]);
    assertSameCourse(gpu, cpu, 0, MARKS.fp32.run);
  }));
