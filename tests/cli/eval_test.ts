// nanogpt eval on a finished run: the run's own validation loss, other shards, token counts and devices, bits per byte
// and what it refuses. HellaSwag has a file of its own.

import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { putShard } from "../data/helpers.ts";
import { HAS_GPU, NO_CUDA } from "../ffi/gpu_devices.ts";
import { inRunFolder, metricsOf, mustRun, run, someTokens, trainArgs } from "./small_run.ts";

/** The loss that eval printed. */
function lossIn(stdout: string): string {
  return /^step:12 val_loss:(\d+\.\d{4}) perplexity:[\d.]+ bits_per_byte:\d+\.\d{4} tokens:\d+ tokens_per_second:[\d.]+k?M?\n$/
    .exec(stdout)?.[1] ?? stdout;
}

/** --device and --precision, and the device that the run's own configuration names. */
async function onOtherDevices(out: string, trained: number): Promise<void> {
  const config = join(out, "config.json");
  const text = await Deno.readTextFile(config);
  const stored = JSON.parse(text);
  stored.device.kind = "cuda";
  await Deno.writeTextFile(config, JSON.stringify(stored));
  const cuda = await run(["eval", out]);
  const reference = await mustRun(["eval", out, "--device", "reference"]);
  await Deno.writeTextFile(config, text);
  if (!HAS_GPU) {
    assertEquals(cuda.code, 1, "a device that is not there is not replaced by another");
    assertMatch(cuda.stderr, NO_CUDA);
  }
  // Float64 against bf16 activations, which round by 1/256: near in a mean over 256 tokens, but not the same.
  assertAlmostEquals(Number(lossIn(reference.stdout)), trained, 0.02);
  const exact = await mustRun(["eval", out, "--precision", "fp32"]);
  // Both print four digits; float32 rounds far below them, so they differ by one in the last at most.
  assertAlmostEquals(Number(lossIn(exact.stdout)), Number(lossIn(reference.stdout)), 1.5e-4);
}

/** --json, and bits per byte of the shard's own tokens by the definition. */
async function asJson(out: string): Promise<void> {
  const { stdout, stderr } = await mustRun(["eval", out, "--json", "--precision", "fp32"]);
  const found = JSON.parse(stdout);
  assertEquals([stderr, found.step, found.device, found.precision], ["", 12, "cpu", "fp32"]);
  assertEquals([found.tokens, found.perplexity], [256, Math.exp(found.valLoss)]);
  assert(found.tokensPerSecond > 0);
  const targets = someTokens(300, 3).slice(1, 257); // val.bin of inRunFolder
  const bytes = targets.reduce((sum, token) => sum + bytesOfToken(token), 0);
  assertEquals(found.bytes, bytes);
  assertAlmostEquals(found.bitsPerByte, found.valLoss * 256 / Math.log(2) / bytes, 1e-12);
}

/** GPT-2's first 256 tokens are the 256 bytes, one each. */
function bytesOfToken(token: number): number {
  assert(token < 256);
  return 1;
}

/** Every refusal: of a path, of shards, of a number of tokens. `moved` in the folder is a checkpoint without its run. */
async function refusals(folder: string, out: string): Promise<void> {
  const moved = join(folder, "moved");
  const val = join(folder, "val.bin");
  const cases: [string[], RegExp][] = [
    [["eval", join(folder, "nowhere")], /^There is no checkpoint .*nowhere; check the path$/],
    [["eval", folder], /is no complete checkpoint: state\.json is missing; use another checkpoint$/],
    [["eval", out], /^The run .*run has no intact checkpoint$/],
    [["eval", moved], /^.*moved lies in no run's folder; name the validation shards with --val GLOB$/],
    [
      ["eval", moved, "--val", join(folder, "no*.bin")],
      /^No file matches --val ".*": no name matches no\*\.bin; check/,
    ],
    [
      ["eval", moved, "--val", val, "--tokens", "320"],
      /val\.bin of --val is too short for --tokens 320: .*; lower --tokens to at most 288$/,
    ],
    [
      ["eval", moved, "--val", val, "--tokens", "50"],
      /^--tokens \(50\) must be a multiple of data\.sequenceLength \(16\); the next lower is 48$/,
    ],
    [
      ["eval", moved, "--device", "gpu"],
      /^--device is "gpu", expected one of auto, cpu, cuda, emulated, ref/,
    ],
    [["eval", moved, "--precision", "f8"], /^--precision is "f8", expected fp32 or bf16$/],
    [
      ["eval", moved, "--device", "reference", "--precision", "bf16"],
      /^The reference device is always float64; leave out --precision$/,
    ],
    [["eval", moved, "--limit", "3"], /^--limit counts questions: it needs --hellaswag FILE; for shards/],
    [
      ["eval", moved, "--hellaswag", "f.jsonl", "--val", val],
      /^--val is about validation shards: it does not go with --hellaswag; leave one out$/,
    ],
    [
      ["eval", moved, "--hellaswag", "f.jsonl", "--tokens", "16"],
      /^--tokens is about validation shards: it does not go with --hellaswag; leave one out$/,
    ],
    [
      ["eval", moved, "--hellaswag", "f.jsonl"],
      /^The questions are GPT-2's tokens: .* model\.vocab from 50257 and model\.eos 50256; this one has 256 and 0$/,
    ],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await run(args);
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr.trimEnd(), expected);
  }
}

Deno.test("nanogpt eval", (t) =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    await mustRun([...trainArgs(folder), "--out", out]);
    const trained = Number(metricsOf(out).at(-1)?.valLoss).toFixed(4);
    const checkpoint = join(out, "checkpoints", "step-000012");

    await t.step("gives the validation loss of the run, of its folder and of its checkpoint", async () => {
      for (const path of [out, checkpoint]) {
        const { stdout, stderr } = await mustRun(["eval", path]);
        assertEquals([lossIn(stdout), stderr], [trained, ""]);
      }
    });
    await t.step("an instruction set that is set but empty is as good as not set", async () => {
      const { stdout } = await mustRun(["eval", out], { env: { NANOGPT_ISA: "" } });
      assertEquals(lossIn(stdout), trained);
    });
    await t.step("on the device of its run, or another", () => onOtherDevices(out, Number(trained)));
    await t.step("--json", () => asJson(out));
    await t.step("of fewer tokens, of other shards", async () => {
      const fewer = (await mustRun(["eval", out, "--tokens", "64"])).stdout;
      assertStringIncludes(fewer, "tokens:64 ");
      const other = await putShard(folder, "other.bin", someTokens(300, 8));
      const elsewhere = lossIn((await mustRun(["eval", out, "--val", other])).stdout);
      assertEquals(new Set([lossIn(fewer), elsewhere, trained]).size, 3, "three different losses");
      // The shards of the run, named on the command line, from a copy outside any run's folder.
      await Deno.rename(checkpoint, join(folder, "moved"));
      const moved = await mustRun(["eval", join(folder, "moved"), "--val", join(folder, "val.bin")]);
      // Without its run's config.json it computes in the default precision, which is the run's.
      assertEquals(lossIn(moved.stdout), trained);
    });
    await t.step("a run's config.json that is cut short", async () => {
      const config = join(out, "config.json");
      const whole = await Deno.readTextFile(config);
      await Deno.mkdir(join(out, "checkpoints"), { recursive: true });
      await Deno.rename(join(folder, "moved"), checkpoint);
      await Deno.writeTextFile(config, whole.slice(0, 40));
      const { code, stdout, stderr } = await run(["eval", out]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(
        stderr,
        /^Cannot read .*config\.json: it is not valid JSON \(.*\); restore it, or move it away\n$/,
      );
      await Deno.rename(checkpoint, join(folder, "moved"));
    });
    await t.step("what it refuses", () => refusals(folder, out));
  }));
