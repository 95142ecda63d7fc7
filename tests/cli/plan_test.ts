// nanogpt plan as a user runs it: every preset and its numbers, text and JSON, what happens when memory is short, and
// projections onto target machines.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PRESET_NAMES } from "../../lib/config/schema.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { TARGET_NAMES } from "../../lib/plan/targets.ts";
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

for (const preset of PRESET_NAMES) {
  Deno.test(`plan --preset ${preset} --target h100x1 --json has both projections`, async () => {
    const { code, stdout, stderr } = await nanogpt([
      "plan",
      "--preset",
      preset,
      "--target",
      "h100x1",
      "--json",
    ]);
    assertEquals([code, stderr], [0, ""]);
    const found = JSON.parse(stdout);
    const { data } = PRESETS[preset].values;
    assertEquals([found.projected, found.target.name, found.precision], [true, "h100x1", "bf16"]);
    assertEquals(found.microbatches, data.batchSequences / data.deviceBatchSequences);
    for (const { rows, step, communication, memoryBytes } of [found.planned, found.recipe]) {
      assert(rows.length > 25 && step.floor.ms > 0 && step.floor.ms < step.expected.ms && memoryBytes > 0);
      assertEquals(communication.totalMs, 0);
    }
    assertEquals(found.record !== null, preset === "speedrun-2024-11-19");
    assertEquals(found.steps, undefined);
  });
}

Deno.test("plan --target prints as text what --json has: rows, sums, speeds", async () => {
  const args = ["plan", "configs/speedrun-2024-11-19.json", "--target", "h100x8"];
  const [text, json] = await Promise.all([nanogpt(args), nanogpt([...args, "--json"])]);
  assertEquals([text.code, json.code, text.stderr, json.stderr], [0, 0, "", ""]);
  const found = JSON.parse(json.stdout);
  const lines = text.stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
  const ms = (values: readonly number[]) => values.map((value) => value.toFixed(2));
  const times = (of: Record<string, number>) =>
    ms([of["floorMs"] ?? NaN, of["expectedMs"] ?? NaN, of["firstMs"] ?? NaN]);
  const tables = [found.planned, found.recipe];
  for (const { rows, communication, gaps, step, memoryBytes } of tables) {
    for (const row of rows) {
      const cells = [row.group, `${row.phase} ${row.name}`, row.shapes, String(Number(row.count.toFixed(2)))];
      assertLine(lines, [...cells, ...times(row)]);
    }
    assertLine(lines, ["communication", ...times(communication)]);
    assertLine(lines, ["launch gaps", String(gaps.launches), ...times(gaps)]);
    assertLine(lines, ["sum", ...ms([step.floor.ms, step.expected.ms, step.first.ms])]);
    const speeds = [step.floor, step.expected, step.withMargin, step.first];
    const name = step === found.planned.step ? "this plan, ms" : "fused recipe, ms";
    assertLine(lines, [name, ...ms(speeds.map((speed) => speed.ms))]);
    assertLine(lines, ["minutes for the schedule's 1875 steps", ...ms(speeds.map(({ minutes }) => minutes))]);
    assertStringIncludes(text.stdout, `${(memoryBytes / 1e9).toPrecision(3)} GB of 80.0 GB: fits`);
  }
  const kernels = lines.filter((cells) => /^(forward|backward|update) /.test(cells[1] ?? ""));
  assertEquals(kernels.length, tables[0].rows.length + tables[1].rows.length);
  for (const { group, plannedMs, recipeMs, gainMs } of found.fusions) {
    assertLine(lines, [group, ...ms([plannedMs, recipeMs, gainMs])]);
  }
  assertMatch(text.stdout, /validation loss 3\.28 if the loss curve is the record's/);
  assertMatch(text.stdout, /^the record +161\.8 ms a step/m);
  assertMatch(text.stdout, /^hand estimate .*expected 108, with the margin 119,/m);
});

/** One line has these cells in this order, others perhaps between them. */
function assertLine(lines: readonly (readonly string[])[], cells: readonly string[]): void {
  const has = lines.some((line) => {
    let next = 0;
    for (const cell of line) if (cell === cells[next]) next++;
    return next === cells.length;
  });
  assert(has, `no line with ${cells.join(" | ")}`);
}

Deno.test("plan --target --text lists every step of one rank's plan, in bf16 whatever the precision here", async () => {
  const args = ["plan", "configs/sample-fp32.json", "--target", "h100x8", "--text"];
  const batch = ["--set", "data.batchSequences=16"];
  const { code, stdout } = await nanogpt([...args, ...batch]);
  assertEquals(code, 0);
  assertEquals(stdout.includes("161.8"), false);
  assertMatch(
    stdout,
    /^ *accumulate-first +0 +forward attentionStart +i32\[4096\] = i32\[4096\]( +\d+\.\d){3}$/m,
  );
  assertMatch(stdout, /^ *accumulate-first +\d+ +forward matmul +bf16\[4096x256\] = bf16/m);
  const json = JSON.parse((await nanogpt([...args, ...batch, "--json"])).stdout);
  assertEquals(json.steps.length, stdout.match(/^ *(accumulate-first|update|refresh) +\d+ /gm)?.length);
});

Deno.test("plan --target refuses unknown targets and steps that the ranks cannot share out", async () => {
  const unknown = await nanogpt(["plan", "--target", "h100x16"]);
  assertEquals([unknown.code, unknown.stdout], [1, ""]);
  assertMatch(unknown.stderr, /^There is no target h100x16, .*; expected one of h100x1, h100x8\n$/);
  const help = await nanogpt(["plan", "--help"]);
  for (const name of TARGET_NAMES) assertStringIncludes(help.stdout, name);
  const batch = await nanogpt(["plan", "--preset", "tiny", "--target", "h100x8"]);
  assertEquals([batch.code, batch.stdout], [1, ""]);
  for (const part of ["4 sequences of a step", "8 ranks of h100x8", "set data.batchSequences to 8"]) {
    assertStringIncludes(batch.stderr, part);
  }
});
