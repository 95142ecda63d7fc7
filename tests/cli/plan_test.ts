// nanogpt plan as a user runs it: every preset and its numbers, text and JSON, and what happens when memory is short.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PRESET_NAMES } from "../../lib/config/schema.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { planRun } from "../../lib/run/programs.ts";
import { nanogpt } from "./command.ts";

/** Parameters of the presets, by the formula 2 V C + L (12 C^2 + 3) + L / 2. */
function parametersOf(name: (typeof PRESET_NAMES)[number]): number {
  const { vocab, dim, layers } = PRESETS[name].values.model;
  return 2 * vocab * dim + layers * (12 * dim * dim + 3) + layers / 2;
}

for (const preset of PRESET_NAMES) {
  Deno.test(`plan --preset ${preset} --json has every number`, async () => {
    const { code, stdout, stderr } = await nanogpt(["plan", "--preset", preset, "--json"]);
    assertEquals([code, stderr], [0, ""]);
    const found = JSON.parse(stdout);
    const { data } = PRESETS[preset].values;
    assertEquals(found.parameters, parametersOf(preset));
    assertEquals(found.tokensPerStep, data.batchSequences * data.sequenceLength);
    assertEquals(found.microbatches, data.batchSequences / data.deviceBatchSequences);
    assert(found.plannedBytes < found.naiveBytes);
    assertEquals(found.largest.length, 10);
    const names = found.programs.map((program: { name: string }) => program.name);
    for (const name of ["accumulate-first", "accumulate-next", "evaluate", "update"]) {
      assert(names.includes(name));
    }
    // Forward and backward need 6 FLOPs a parameter of a matrix product and token; embedding rows are only copied.
    const { vocab, dim } = PRESETS[preset].values.model;
    assert(found.step.flops > 6 * found.tokensPerStep * (found.parameters - vocab * dim));
    assertEquals(typeof found.fits, "boolean");
  });
}

Deno.test("building the largest preset's plan takes less than 5 seconds on a busy machine", () => {
  const { model, optim, data } = PRESETS["speedrun-1.5b"].values;
  const started = performance.now();
  const { sequenceLength, deviceBatchSequences } = data;
  const training = { optim, microbatches: 40 };
  planRun({
    model,
    kind: "cpu",
    precision: "bf16",
    sequenceLength,
    deviceBatchSequences,
    training,
    evaluate: true,
  });
  // It is 0.3 s alone; something quadratic would take minutes.
  assert(performance.now() - started < 5000);
});

Deno.test("plan prints the numbers for people, --text the steps too", async () => {
  const plain = await nanogpt(["plan", "--preset", "tiny"]);
  assertEquals(plain.code, 0);
  assertMatch(plain.stdout, /^parameters +6537223 \(6\.54M\)$/m);
  assertMatch(plain.stdout, /^training step +256 tokens in 4 microbatches: \S+ GFLOP, .* read and written$/m);
  assertMatch(plain.stdout, /^memory +\S+ MiB planned, \S+ MiB naive/m);
  assertMatch(plain.stdout, /^accumulate-first +\d+ /m);
  assertMatch(plain.stdout, /^this machine +.* available: fits$/m);
  assertEquals(plain.stdout.includes("headLossGrad losses"), false);
  const text = await nanogpt(["plan", "--preset", "tiny", "--text"]);
  assertStringIncludes(text.stdout, plain.stdout.split("\nthis machine")[0] ?? "");
  assertMatch(text.stdout, /^ {2}\d+ backward headLossGrad losses f32\[64\]@\d+, dx bf16\[64x64\]@\d+/m);
});

Deno.test("plan of more than this machine has says so, and is no error", async () => {
  const args = ["plan", "--preset", "speedrun-2024-11-19", "--set", "data.sequenceLength=1048576"];
  const { code, stdout } = await nanogpt([...args, "--set", "data.valTokens=1048576"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^this machine +.* available: does not fit$/m);
});

Deno.test("train refuses what does not fit, before it touches device or data", async () => {
  const out = await Deno.makeTempDir();
  const sets = ["data.sequenceLength=1048576", "data.valTokens=1048576"].flatMap((set) => ["--set", set]);
  const { code, stderr } = await nanogpt(
    ["train", "--preset", "speedrun-2024-11-19", ...sets, "--out", `${out}/run`],
  );
  await Deno.remove(out, { recursive: true });
  assertEquals(code, 1);
  for (
    const word of ["The plan needs", "short-lived", "parameter", "data.deviceBatchSequences", "model.layers"]
  ) {
    assertStringIncludes(stderr, word);
  }
});
