// The emulated GPU and the one that is not here, as a user meets them: training with checkpoint and resume, the tiny preset
// beside the cpu, evaluation, the report of `check`, plans without a device, and what is said when something is missing.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { MARKS } from "../../lib/run/marks.ts";
import { HAS_GPU, NO_CHECKED, NO_CUDA, NO_EMULATED } from "../ffi/gpu_devices.ts";
import { nanogpt, ROOT } from "./command.ts";
import { checkpointDigest, inRunFolder, metricsOf, mustRun, run, sets, trainArgs } from "./small_run.ts";

const EMULATED = ["--device", "emulated"];
/** Emulated steps of the tiny preset take seconds each on a busy machine. */
const PATIENT = { limitMs: 600_000 };

/** Step and losses of a run. */
function courseOf(folder: string) {
  return metricsOf(folder).map(({ step, trainLoss, valLoss }) => [step, trainLoss, valLoss]);
}

Deno.test("Training on the emulated GPU", { ignore: NO_EMULATED }, (t) =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const args = trainArgs(folder, { "run.checkpointEvery": 6, "run.keepCheckpoints": 9 });
    const { stderr } = await mustRun([...args, ...EMULATED, "--out", out]);
    const digest = await checkpointDigest(out, 12);
    const course = courseOf(out);
    await t.step("says what it runs on", () => {
      assertMatch(stderr, /^emulated H100: sm90a, simulated, \d+ processors/m);
    });
    await t.step("goes on from a checkpoint to the same bits", async () => {
      const again = await mustRun(["train", "--resume", join(out, "checkpoints", "step-000006")]);
      assertMatch(again.stderr, /^Resuming from .*step-000006$/m);
      assertEquals(await checkpointDigest(out, 12), digest);
      assertEquals(courseOf(out), course);
    });
    await t.step("takes the kernels of the chip that NANOGPT_ISA names", async () => {
      const { stderr } = await mustRun(["train", "--resume", out], { env: { NANOGPT_ISA: "sm80" } });
      assertMatch(stderr, /^emulated H100: sm80, simulated/m);
    });
    await t.step("eval gives the run's own validation loss", async () => {
      const { stdout } = await mustRun(["eval", out, "--json"]);
      const { device, valLoss } = JSON.parse(stdout);
      assertEquals([device, valLoss], ["emulated", course.at(-1)?.[2]]);
    });
    await t.step({
      name: "has the same bits under a random schedule with every access watched",
      ignore: NO_CHECKED,
      async fn() {
        const other = join(folder, "checked");
        // Float32: the order in which matrix instructions sum bf16 is drawn from the seed too.
        const exact = {
          "schedule.steps": 2,
          "schedule.warmdownSteps": 1,
          "device.precision": "fp32",
          "optim.nsSteps": 1,
        };
        const few = trainArgs(folder, exact);
        const env = { NANOGPT_EMULATION: "checked:20241119:5" };
        await mustRun([...few, ...EMULATED, "--out", other], { env, ...PATIENT });
        await mustRun([...few, ...EMULATED, "--out", join(folder, "fast")]);
        assertEquals(courseOf(other), courseOf(join(folder, "fast")));
      },
    });
  }));

Deno.test("Five steps of the tiny preset on the emulated GPU are those of the cpu within bf16's mark", {
  ignore: NO_EMULATED,
}, () =>
  inRunFolder(async (folder) => {
    const few = { "schedule.steps": 5, "data.valTokens": 64, "run.valEvery": 0 };
    const lossesOn = async (device: string, gemm: string) => {
      const out = join(folder, `${device}-${gemm}`);
      const values = sets({ ...few, "device.gemm": gemm });
      const args = ["train", "--preset", "tiny", ...values, "--device", device, "--out", out];
      await mustRun(args, PATIENT);
      return metricsOf(out).map(({ trainLoss }) => Number(trainLoss));
    };
    const [emulated, cpu] = [await lossesOn("emulated", "builtin"), await lossesOn("cpu", "builtin")];
    assertEquals(emulated.length, 5);
    // Each of the two may be so far from the exact curve; that it learns at all is far above it.
    emulated.forEach((loss, i) => assertAlmostEquals(loss, cpu[i] ?? NaN, MARKS.bf16.run));
    assert((emulated[0] ?? NaN) - (emulated[4] ?? NaN) > 10 * MARKS.bf16.run);
    // Products by the emulated cuBLASLt sum in another order: not the same bits, but the same curve.
    const theirs = await lossesOn("emulated", "cublaslt");
    assertEquals(theirs.length, 5);
    theirs.forEach((loss, i) => assertAlmostEquals(loss, cpu[i] ?? NaN, MARKS.bf16.run));
    assertNotEquals(theirs, emulated);
  }));

Deno.test("run.deterministic: the same bits in whatever order blocks run; without it the same curve", {
  ignore: NO_EMULATED,
}, () =>
  inRunFolder(async (folder) => {
    // Heads of 128, whose gradient's blocks may add up as they come; the keys of a sequence are two blocks'. The first step's
    // gradients of queries are zero, as the output products start so.
    const values = {
      "model.dim": 128,
      "model.heads": 1,
      "model.window": 160,
      "data.sequenceLength": 192,
      "data.batchSequences": 1,
      "data.valTokens": 192,
      "optim.nsSteps": 1,
      "schedule.steps": 2,
      "schedule.warmdownSteps": 1,
      "run.valEvery": 0,
    };
    const train = async (deterministic: boolean, processors: number) => {
      const out = join(folder, `${deterministic}-${processors}`);
      const args = trainArgs(folder, { ...values, "run.deterministic": deterministic });
      const env = { NANOGPT_EMULATION: `fast:0:${processors}` };
      await mustRun([...args, ...EMULATED, "--out", out], { env, ...PATIENT });
      return out;
    };
    const [one, other] = [await train(true, 1), await train(true, 7)];
    assertEquals(courseOf(one), courseOf(other));
    assertEquals(await checkpointDigest(one, 2), await checkpointDigest(other, 2));
    const free = await train(false, 7);
    const [found, expected] = [free, one].map((out) => courseOf(out).at(-1)?.[2]);
    assertAlmostEquals(Number(found), Number(expected), MARKS.bf16.run);
  }));

Deno.test("check --device emulated is one report", { ignore: NO_EMULATED }, async () => {
  const { code, stdout, stderr } = await run(["check", ...EMULATED], PATIENT);
  assertEquals([code, stderr], [0, ""], stdout);
  for (
    const line of [
      /^nanogpt +\d.*, ABI version \d+$/m,
      /^machine +emulated H100: sm90a of sm80, sm90a, \d+ processors$/m,
      /^gpu +\S/m,
      /^Every op on emulated, sm90a \(simulated\), \d+ processors, fp32 and bf16, against the reference device$/m,
      /^ {2}matmul +bf16 simple +\d+ .* pass /m,
      /^ {2}matmul +bf16 mma +\d+ .* pass /m,
      /^ {2}matmul +bf16 wgmma +\d+ .* pass /m,
      /^ {2}matmul +bf16 cublaslt +\d+ .* pass /m,
      /^ {2}attention +fp32 simple +\d+ .* pass /m,
      /^ {2}attentionGrad +bf16 wgmmaAdd +\d+ .* pass /m,
      /^Golden files: left out, /m,
      /^Every wrapped instruction, on random data\n( {2}PASS .*\n)+PASS$/m,
      /^Products: left out, /m,
      /^peak +\S/m,
      /^train-124m +left out: /m,
      /\nPASS of all above\n$/,
    ]
  ) assertMatch(stdout, line);
});

Deno.test(
  "check --golden on the emulated GPU is what it is on any device",
  { ignore: NO_EMULATED },
  async () => {
    const golden = join(ROOT, "tests", "golden", "newton-schulz.safetensors");
    const { code, stdout } = await run(["check", ...EMULATED, "--golden", golden, "--json"], PATIENT);
    assertEquals(code, 0, stdout);
    const { check, device, precision, verdict } = JSON.parse(stdout);
    assertEquals({ check, device, precision, verdict }, {
      check: "golden",
      device: "emulated",
      precision: "bf16",
      verdict: "PASS",
    });
  },
);

Deno.test("plan for a GPU needs none, and says which form each kernel has", async () => {
  const args = ["plan", "--preset", "speedrun-2024-11-19", "--device", "cuda", "--text"];
  const { code, stdout, stderr } = await nanogpt(args);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^plan of +speedrun-2024-11-19, bf16, device cuda$/m);
  assertMatch(stdout, /^kernel forms +wgmmaAdd 24 steps, [\d.]+% of their FLOP; wgmma \d+ steps, [\d.]+%$/m);
  assertMatch(stdout, /^ {2}\d+ forward matmul wgmma c bf16\[/m);
  assertMatch(stdout, /^ {2}\d+ backward attentionGrad wgmmaAdd dq bf16\[/m);
  const fixed = await nanogpt([...args, "--set", "run.deterministic=true"]);
  assertMatch(fixed.stdout, /^kernel forms +wgmma \d+ steps, [\d.]+% of their FLOP$/m);
  assertMatch(fixed.stdout, /^ {2}\d+ backward attentionGrad wgmma dq bf16\[/m);
  const asked = await nanogpt([...args, "--set", "device.gemm=cublaslt"]);
  assertMatch(asked.stdout, /^kernel forms +wgmmaAdd 24 steps, [^;]+; cublaslt \d+ steps, [\d.]+%; wgmma /m);
  assertMatch(asked.stdout, /^ {2}\d+ forward matmul cublaslt c bf16\[/m);
  const exact = await nanogpt(["plan", "--preset", "tiny", "--device", "emulated", "--precision", "fp32"]);
  assertMatch(exact.stdout, /^kernel forms +simple \d+ steps, 100\.0% of their FLOP$/m);
  const cpu = await nanogpt(["plan", "--preset", "tiny", "--device", "cpu"]);
  assert(!cpu.stdout.includes("kernel forms"));
});

Deno.test("A GPU device that cannot be had, or not as asked", async () => {
  const refused = async (args: readonly string[], env: Record<string, string>, said: RegExp) => {
    const { code, stdout, stderr } = await nanogpt(args, { env });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, said);
    assertEquals(stderr.trimEnd().split("\n").length, 1, "one line");
  };
  if (HAS_GPU) console.log("Skipped: what --device cuda says without a GPU; this machine may have one");
  else await refused(["check", "--device", "cuda"], {}, NO_CUDA);
  const isa = { NANOGPT_ISA: "sm90a" };
  await refused(
    ["check", "--device", "cpu"],
    isa,
    /^NANOGPT_ISA is "sm90a", expected .* amx on the cpu device$/m,
  );
  if (NO_EMULATED) return;
  await refused(
    ["check", ...EMULATED],
    { NANOGPT_ISA: "avx2" },
    /expected one of auto, sm80, sm90a on the emulated dev/,
  );
  for (
    const emulation of ["slow", "checked:", "fast:1:0", "fast:1:133", "checked:4294967296", "fast:1:2:3"]
  ) {
    await refused(
      ["check", ...EMULATED],
      { NANOGPT_EMULATION: emulation },
      /^NANOGPT_EMULATION is ".*", expected fast/,
    );
  }
  const bench = await nanogpt(["bench", "--device", "reference"]);
  assertStringIncludes(bench.stderr, "The reference device is for checking, not for speed");
});
