// Values that are not finite: in a parameter, in a gradient alone, made by the update. Training stops with exit code 2,
// names step and tensor, keeps the batch, and no checkpoint is written of the broken model: on the cpu, and on the emulated
// GPU, where the next step is under way by then. The values come in by checkpoints that the project's own code has written,
// so that their checksums are right.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openSafetensors } from "../../lib/base/safetensors.ts";
import { type CheckpointTensor, openCheckpoint, writeCheckpoint } from "../../lib/run/checkpoint.ts";
import type { SafetensorsFile } from "../../lib/base/safetensors.ts";
import { NO_EMULATED } from "../ffi/gpu_devices.ts";
import { checkpointDigest, inRunFolder, metricsOf, mustRun, namesIn, run, trainArgs } from "./small_run.ts";

const KEEP_ALL = { "run.keepCheckpoints": 9, "run.checkpointEvery": 4 };
/** The emulated GPU then leaves work undone until a wait needs it. */
const ENVIRONMENT = { env: { NANOGPT_EMULATION: "fast:1:2" } };

/** `train` of a model of which every fourth checkpoint is kept. */
const args = (folder: string, device: string) => [
  ...trainArgs(folder, KEEP_ALL),
  ...["--device", device, "--precision", "fp32"],
];

/** An edit of the tensors of a checkpoint: by name, its values in place. */
type Edit = (name: string, values: Float32Array<ArrayBuffer>) => void;

/** The tensors of a checkpoint's file after the edit. */
function edited(file: SafetensorsFile, edit: Edit): CheckpointTensor[] {
  return [...file.tensors].map(([name, { shape }]) => {
    const values = Float32Array.from(file.numbers(name));
    edit(name, values);
    const bytes = new Uint8Array(values.buffer);
    const read = (offset: number, target: Uint8Array) =>
      target.set(bytes.subarray(offset, offset + target.length));
    return { name, dtype: "F32", shape, read };
  });
}

/** Writes the newest checkpoint of `from`, edited, into the new run `to`, behind an earlier one that is intact. */
async function spoil(from: string, to: string, edit: Edit): Promise<void> {
  using checkpoint = openCheckpoint(join(from, "checkpoints", "step-000008"));
  const { files: _, ...state } = checkpoint.state;
  await Deno.mkdir(join(to, "checkpoints", "step-000004"), { recursive: true });
  for (const name of namesIn(join(from, "checkpoints", "step-000004"))) {
    await Deno.copyFile(
      join(from, "checkpoints", "step-000004", name),
      join(to, "checkpoints", "step-000004", name),
    );
  }
  for (const name of ["config.json", "metrics.jsonl"]) await Deno.copyFile(join(from, name), join(to, name));
  const parameters = edited(checkpoint.parameters, edit);
  const optimiser = edited(checkpoint.optimiser, edit);
  writeCheckpoint(to, { ...state, parameters, optimiser }, 9);
}

/** What is spoilt, what it is called, and the checkpoint that is named as good. */
interface Case {
  readonly edit: Edit;
  /** Steps between checkpoints. 1: the update is looked at; else what is wrong is found in its step. */
  readonly every: 0 | 1;
  readonly named: RegExp;
  readonly last: string;
}

const putNaN: Edit = (name, values) => void (name === "blocks.1.mlp.up.weight" && values.fill(NaN, 5, 6));

const CASES: Record<string, Case> = {
  "a NaN in a parameter": {
    edit: putNaN,
    every: 0,
    named: /: parameter blocks\.1\.mlp\.up\.weight in microbatch 0; /,
    last: "step-000004",
  },
  "parameters too large for the sums of a forward pass": {
    edit: (name, values) => void (name === "blocks.0.attn.v.weight" && values.fill(3e38)),
    every: 0,
    named: /: \S+ of \w+\(.*\) in microbatch 0; /,
    last: "step-000008",
  },
  "a gradient that overflows under a finite loss": {
    edit: (name, values) => {
      // Block 0 gives zeros, which large numbers multiply: zeros still, but not so on the way back.
      if (name === "blocks.0.residual_mix") values.set([0, 0]);
      if (name === "blocks.0.attn.proj.weight") values.fill(3e38);
      if (name === "blocks.1.residual_mix") values.set([1000, 1]);
      if (name === "skip_weights") values.fill(1000);
    },
    every: 0,
    named: /: the gradient of [a-z.0-9_]+; /,
    last: "step-000008",
  },
  "an update that breaks a parameter, though loss and gradients are finite": {
    edit: (name, values) => void (name === "head.weight.v" && values.fill(-1)),
    every: 1,
    named: /: parameter head\.weight; /,
    last: "step-000008",
  },
};

const endsTheRun = (t: Deno.TestContext, device: string) =>
  inRunFolder(async (folder) => {
    const good = join(folder, "good");
    await mustRun([...args(folder, device), "--out", good], ENVIRONMENT);
    for (
      const [number, [name, { edit, every, named, last }]] of Object.entries(CASES).entries()
    ) {
      await t.step(name, async () => {
        const out = join(folder, String(number));
        await spoil(good, out, edit);
        const digests = await Promise.all([4, 8].map((kept) => checkpointDigest(out, kept)));
        const { code, stdout, stderr } = await run([
          "train",
          "--resume",
          out,
          "--set",
          `run.checkpointEvery=${every}`,
        ], ENVIRONMENT);
        assertEquals([code, stdout], [2, ""], stderr);
        const message = stderr.trimEnd().split("\n").at(-1) ?? "";
        assertMatch(message, /^Step 9 met a value that is not finite: /);
        assertMatch(message, named);
        const path = join(out, "bad-batch-step-000009.safetensors");
        assertStringIncludes(
          message,
          `; its batch is saved in ${path}; training stopped, the last good checkpoint is ` +
            `${join(out, "checkpoints", last)}; lower the learning rates`,
        );
        checkBatch(path);
        assertEquals(namesIn(join(out, "checkpoints")), ["step-000004", "step-000008"]);
        assertEquals(await Promise.all([4, 8].map((kept) => checkpointDigest(out, kept))), digests);
      });
    }
    await t.step("such a model gives neither a loss nor a text", async () => {
      const broken = join(folder, "0", "checkpoints", "step-000008");
      const [loss, text] = await Promise.all([run(["eval", broken]), run(["sample", broken])]);
      assertEquals([loss.code, loss.stdout], [2, ""]);
      assertMatch(
        loss.stderr,
        /^The validation loss of .*step-000008 is not finite; use an earlier checkpoint\n$/,
      );
      assertEquals([text.code, text.stdout], [2, ""]);
      assertMatch(
        text.stderr,
        /^The model's logits are not finite: its parameters are broken; use an earlier/,
      );
    });
    await t.step("the run goes on from the checkpoint before", async () => {
      const out = join(folder, "0");
      await mustRun(["train", "--resume", join(out, "checkpoints", "step-000004")], ENVIRONMENT);
      const kept = [...Deno.readDirSync(join(out, "checkpoints"))].map(({ name }) => name);
      assert(
        kept.some((name) => name.startsWith("superseded-step-000008-")),
        `the broken checkpoint is set aside, not lost: ${kept}`,
      );
      assertEquals(await checkpointDigest(out, 12), await checkpointDigest(good, 12));
      assertEquals(metricsOf(out).length, 12);
    });
  });

const keepsTheStepsBefore = (t: Deno.TestContext, device: string) =>
  inRunFolder(async (folder) => {
    const good = join(folder, "good");
    await mustRun([...args(folder, device), "--out", good], ENVIRONMENT);
    const fail = async (out: string, ...values: string[]) => {
      const { code, stderr } = await run(["train", "--resume", out, ...values], ENVIRONMENT);
      assertEquals(code, 2, stderr);
      return stderr.trimEnd().split("\n").at(-1) ?? "";
    };
    await t.step(
      "parameters too large but finite: a checkpoint of the steps before, beside the older",
      async () => {
        const out = join(folder, "rescued");
        const edit: Edit = (name, values) => {
          // Step 9 trains, and makes these about 1e36: finite, though not for long in step 10.
          if (name.endsWith("residual_mix.m")) values.fill(1e38);
          if (name.endsWith("residual_mix.v")) values.fill(1);
        };
        await spoil(good, out, edit);
        const few = ["--set", "run.keepCheckpoints=1", "--set", "run.checkpointEvery=0"];
        const message = await fail(out, ...few);
        assertMatch(message, /^Step 10 met .* in microbatch \d; /);
        const last = join(out, "checkpoints", "step-000009");
        assertStringIncludes(message, `; training stopped, the last good checkpoint is ${last}; `);
        assertEquals(namesIn(join(out, "checkpoints")), ["step-000004", "step-000008", "step-000009"]);
        const paused = join(folder, "paused");
        await spoil(good, paused, edit);
        await fail(paused, "--set", "run.checkpointEvery=1");
        assertEquals(
          await checkpointDigest(out, 9),
          await checkpointDigest(paused, 9),
          "the state after step 9",
        );
        const again = await fail(out, ...few);
        assertEquals(again, message, "from there, the very same step fails in the same way");
        assertEquals(metricsOf(out).length, 9);
      },
    );
    await t.step("the only checkpoint is itself broken", async () => {
      const out = join(folder, "lost");
      await spoil(good, out, putNaN);
      await Deno.remove(join(out, "checkpoints", "step-000004"), { recursive: true });
      assertStringIncludes(await fail(out), "; training stopped, there is no checkpoint before it; ");
    });
  });

/** The file holds step 9's tokens as int32: 4 microbatches of 16, each target the next token. */
function checkBatch(path: string): void {
  const batch = openSafetensors(path);
  try {
    assertEquals([...batch.tensors.keys()].toSorted(), ["targets", "tokens"]);
    for (const { dtype, shape } of batch.tensors.values()) assertEquals([dtype, shape], ["I32", [4, 16]]);
    const [tokens, targets] = ["tokens", "targets"].map((name) => Array.from(batch.numbers(name)));
    assert(tokens && targets);
    assertEquals(tokens.slice(1), targets.slice(0, -1));
    assert(tokens.every((token) => token >= 0 && token < 256) && new Set(tokens).size > 10);
  } finally {
    batch.close();
  }
}

for (const device of ["cpu", "emulated"]) {
  const ignore = device === "emulated" && NO_EMULATED;
  Deno.test(`A value that is not finite ends a run on ${device}, and leaves good checkpoints alone`, {
    ignore,
  }, (t) => endsTheRun(t, device));
  Deno.test(
    `Where only the loss on ${device} is not finite, the steps before it are kept`,
    { ignore },
    (t) => keepsTheStepsBefore(t, device),
  );
}
