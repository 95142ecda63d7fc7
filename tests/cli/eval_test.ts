// nanogpt eval on a finished run: the run's own validation loss, other shards and token counts, and what it refuses.

import { assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { putShard } from "../data/helpers.ts";
import { inRunFolder, metricsOf, mustRun, run, someTokens, trainArgs } from "./small_run.ts";

/** The loss that eval printed. */
function lossIn(stdout: string): string {
  return /^step:12 val_loss:(\d+\.\d{4}) perplexity:[\d.]+ tokens:\d+ tokens_per_second:[\d.]+k?M?\n$/.exec(
    stdout,
  )?.[1] ??
    stdout;
}

/** Evaluates a run as if another device had been asked for. */
async function onItsDevice(out: string, trained: number): Promise<void> {
  const config = join(out, "config.json");
  const text = await Deno.readTextFile(config);
  const evaluate = async (kind: string) => {
    const stored = JSON.parse(text);
    stored.device.kind = kind;
    await Deno.writeTextFile(config, JSON.stringify(stored));
    return await run(["eval", out]);
  };
  const reference = await evaluate("reference");
  const cuda = await evaluate("cuda");
  await Deno.writeTextFile(config, text);
  // Float64 against bf16 activations, which round by 1/256: near in a mean over 256 tokens, but not the same.
  assertAlmostEquals(Number(lossIn(reference.stdout)), trained, 0.02);
  assertEquals(cuda.code, 1, "a device that this build lacks is not replaced by another");
  assertMatch(cuda.stderr, /^This build has no cuda device/);
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
    await t.step("on the device of its run", () => onItsDevice(out, Number(trained)));
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
