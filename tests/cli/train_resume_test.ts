// What --resume passes over and refuses: checkpoints that are damaged or half-written, of another configuration or
// other data, and folders that hold no run. Every refusal leaves the run as it was.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { putShard } from "../data/helpers.ts";
import {
  checkpointDigest,
  flipBit,
  inRunFolder,
  metricsOf,
  mustRun,
  namesIn,
  run,
  sets,
  someTokens,
  STEP_TOKENS,
  trainArgs,
} from "./small_run.ts";

const KEEP_ALL = { "run.checkpointEvery": 3, "run.keepCheckpoints": 9 };

/** Copies a folder of folders. */
async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** Damage to the newest checkpoint, and what is said of it. */
const DAMAGE: Record<string, { readonly harm: (path: string) => void; readonly said: RegExp }> = {
  "cut short": {
    harm: (path) => Deno.truncateSync(join(path, "model.safetensors"), 1000),
    said:
      /^Ignored .*step-000012: Checkpoint file .*model\.safetensors is damaged: it has 1000 bytes, expected \d+ \(cut short\)/m,
  },
  "one bit flipped in a tensor": {
    harm: (path) => flipBit(join(path, "optimizer.safetensors"), 60_000),
    said: /^Ignored .*step-000012: Checkpoint file .*optimizer\.safetensors is damaged: its SHA-256 is/m,
  },
  "one bit flipped in state.json": {
    harm: (path) => flipBit(join(path, "state.json"), 100),
    said: /^Ignored .*step-000012: .*state\.json is damaged/m,
  },
  "a file missing": {
    harm: (path) => Deno.removeSync(join(path, "optimizer.safetensors")),
    said:
      /^Ignored .*step-000012: .*step-000012 is no complete checkpoint: optimizer\.safetensors is missing/m,
  },
  "half-written when the process was killed": {
    harm: (path) => {
      Deno.renameSync(path, join(path, "..", ".tmp-step-000012"));
      Deno.removeSync(join(path, "..", ".tmp-step-000012", "state.json"));
    },
    said: /^Ignored .*\.tmp-step-000012: it was not finished when the run was killed$/m,
  },
};

Deno.test("--resume auto passes over a checkpoint that is no good, says so, and redoes the steps", (t) =>
  inRunFolder(async (folder) => {
    const whole = join(folder, "whole");
    await mustRun([...trainArgs(folder, KEEP_ALL), "--out", whole]);
    const digest = await checkpointDigest(whole, 12);
    const course = (path: string) =>
      metricsOf(path).map(({ step, trainLoss, valLoss }) => [step, trainLoss, valLoss]);
    await Promise.all(
      Object.entries(DAMAGE).map(([name, { harm, said }]) =>
        t.step({
          name,
          sanitizeOps: false, // the steps run side by side
          sanitizeResources: false,
          sanitizeExit: false,
          fn: async () => {
            const out = join(folder, name);
            await copy(whole, out);
            harm(join(out, "checkpoints", "step-000012"));
            const { stderr } = await mustRun(["train", "--resume", "auto", "--out", out]);
            assertMatch(stderr, said);
            assertMatch(stderr, /^Resuming from .*step-000009$/m);
            assertEquals(stderr.match(/^step:\d+\/12 train_loss/gm)?.length, 3);
            assertEquals(await checkpointDigest(out, 12), digest);
            assertEquals(namesIn(join(out, "checkpoints")), namesIn(join(whole, "checkpoints")));
            assertEquals(course(out), course(whole));
          },
        })
      ),
    );
    await t.step("no good one left: from the beginning, to the same end", async () => {
      const out = join(folder, "none");
      await copy(whole, out);
      for (const name of namesIn(join(out, "checkpoints"))) {
        flipBit(join(out, "checkpoints", name, "state.json"), 50);
      }
      const { stderr } = await mustRun(["train", "--resume", "auto", "--out", out]);
      assertEquals(stderr.match(/^Ignored /gm)?.length, 4);
      assertMatch(stderr, /none holds no checkpoint to go on from; starting from the beginning$/m);
      assertEquals(await checkpointDigest(out, 12), digest);
      assertEquals(course(out), course(whole));
    });
    await t.step("the damaged one itself, asked for by name, is refused", async () => {
      const path = join(whole, "checkpoints", "step-000012");
      flipBit(join(path, "model.safetensors"), 50_000);
      const before = Deno.readTextFileSync(join(whole, "metrics.jsonl"));
      const { code, stdout, stderr } = await run(["train", "--resume", path]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(
        stderr,
        /^Checkpoint file .*model\.safetensors is damaged: its SHA-256 is .*; use another checkpoint\n$/,
      );
      assertEquals(Deno.readTextFileSync(join(whole, "metrics.jsonl")), before);
    });
  }));

Deno.test("A checkpoint of another run is refused with every key that differs, and nothing is touched", (t) =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    await mustRun([...trainArgs(folder), "--out", out]);
    const digest = await checkpointDigest(out, 12);
    const files = ["metrics.jsonl", "log.txt", "config.json"];
    const before = files.map((name) => Deno.readTextFileSync(join(out, name)));
    const refused = async (args: readonly string[]) => {
      const { code, stdout, stderr } = await run(args);
      assertEquals([code, stdout], [1, ""]);
      assertEquals(await checkpointDigest(out, 12), digest);
      assertEquals(files.map((name) => Deno.readTextFileSync(join(out, name))), before);
      const lines = stderr.trimEnd().split("\n");
      assertMatch(lines[0] ?? "", /^Cannot go on from .*step-000012: it belongs to another run$/);
      assertMatch(
        lines.at(-1) ?? "",
        /^Give the configuration and the data it was made with, or start a new run/,
      );
      return lines.slice(1, -1);
    };

    await t.step("keys of every section", async () => {
      const other = { "model.layers": 4, "optim.beta1": 0.8, "schedule.steps": 20, "run.seed": 7 };
      const lines = await refused([...trainArgs(folder, other), "--resume", "auto", "--out", out]);
      assertEquals(lines.toSorted(), [
        "  model.layers: 2 in the checkpoint, 4 now",
        "  optim.beta1: 0.9 in the checkpoint, 0.8 now",
        "  run.seed: 1337 in the checkpoint, 7 now",
        "  schedule.steps: 12 in the checkpoint, 20 now",
      ]);
    });
    await t.step("over the run's own configuration too", async () => {
      const lines = await refused(["train", "--resume", out, ...sets({ "data.deviceBatchSequences": 2 })]);
      assertEquals(lines, ["  data.deviceBatchSequences: 1 in the checkpoint, 2 now"]);
    });
    await t.step("other shards", async () => {
      await putShard(folder, "train_2.bin", someTokens(2 * STEP_TOKENS, 5));
      assertEquals(await refused(["train", "--resume", out]), [
        "  data.train: 2 shards in the checkpoint, 3 now",
      ]);
      await Deno.remove(join(folder, "train_2.bin"));
    });
    await t.step("another shard of the same length", async () => {
      const count = 14 * STEP_TOKENS + 9;
      await putShard(folder, "train_1.bin", someTokens(count, 6));
      assertEquals(await refused(["train", "--resume", out]), [
        "  data.train: shard 1 holds other tokens than in the checkpoint, as many",
      ]);
      await putShard(folder, "train_1.bin", someTokens(count, 2));
    });
    await t.step("its own data and configuration: config.json stays, with every source", async () => {
      const { code, stderr } = await run(["train", "--resume", out]);
      assertEquals(code, 0, stderr);
      assertEquals(Deno.readTextFileSync(join(out, "config.json")), before[2]);
    });
    await t.step("what does not change the mathematics may differ", async () => {
      const values = { "run.valEvery": 3, "run.keepCheckpoints": 7, "device.threads": 1 };
      const { stdout } = await mustRun([...trainArgs(folder, values), "--resume", "auto", "--out", out]);
      assertMatch(stdout, /^Done: validation loss/);
    });
    await t.step("--set over the run's own configuration: that value alone has a new source", async () => {
      const sourcesOf = () => JSON.parse(Deno.readTextFileSync(join(out, "config.json"))).sources;
      const old = sourcesOf();
      assertEquals([old["run.keepCheckpoints"], old["run.seed"]], ["--set", "preset tiny"]);
      await mustRun(["train", "--resume", out, ...sets({ "run.sampleEvery": 5 })]);
      assertEquals(sourcesOf(), { ...old, "run.sampleEvery": "--set" });
    });
  }));

Deno.test("Folders that cannot be resumed from, each with its message", () =>
  inRunFolder(async (folder) => {
    await Deno.mkdir(join(folder, "empty"));
    const cases: [string[], RegExp][] = [
      [
        ["--resume", join(folder, "nowhere")],
        /^There is no run or checkpoint at .*nowhere; give a folder that training made$/,
      ],
      [["--resume", join(folder, "empty")], /^.*empty holds no run to go on with$/],
      [["--resume", join(folder, "val.bin")], /^.*val\.bin holds no run to go on with$/],
    ];
    for (const [args, expected] of cases) {
      const { code, stdout, stderr } = await run(["train", ...args]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr.trimEnd(), expected);
    }
    const out = join(folder, "run");
    await mustRun([...trainArgs(folder), "--out", out]);
    const { code, stderr } = await run(["train", "--resume", out, "--out", join(folder, "other")]);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^--resume .*run goes on in .*run; leave out --out .*other, or give that folder to both\n$/,
    );
    assert(!namesIn(folder).includes("other"));
    const again = await run([...trainArgs(folder), "--out", out]);
    assertEquals(again.code, 1);
    assertStringIncludes(
      again.stderr,
      `The folder ${out} already holds a run; choose another with --out, or go on with --resume auto --out ${out}\n`,
    );
    assertEquals(metricsOf(out).length, 12);
  }));
