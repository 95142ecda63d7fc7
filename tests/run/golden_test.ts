// The golden files of PyTorch in float64: on the reference device, and in fp32 and bf16 under every instruction set that
// can run and on the emulated GPU. This machine's own sets do the whole runs; all others leave out the long one (of the
// emulated GPU `make soak` does it).

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { checkGolden, type GoldenReport, type Group } from "../../lib/run/check_golden.ts";
import type { Precision } from "../../lib/run/devices.ts";
import { type Golden, type ModelGolden, readGolden } from "../../lib/run/golden_file.ts";
import { ROOT } from "../cli/command.ts";
import type { Device } from "../../ffi/device.ts";
import { cpuSets, openSet } from "../ffi/cpu_sets.ts";
import { NO_EMULATED, openEmulated } from "../ffi/gpu_devices.ts";

const FILES = ["tiny", "odd", "wide", "newton-schulz"] as const;
const GOLDENS = new Map(
  FILES.map((name) => [name, readGolden(join(ROOT, "tests", "golden", `${name}.safetensors`))] as const),
);

function goldenOf(name: typeof FILES[number]): Golden {
  const golden = GOLDENS.get(name);
  assert(golden, name);
  return golden;
}

/** Fails with every group that does not pass; the groups must be these. */
function assertPasses(report: GoldenReport, groups: readonly Group["name"][]): void {
  const failed = report.groups.filter(({ pass }) => !pass);
  assertEquals(failed.map(({ name, where, reason }) => `${name}, ${where}: ${reason}`), []);
  assert(report.pass);
  assertEquals(report.groups.map(({ name }) => name), groups);
}

const ONCE: readonly Group["name"][] = ["loss", "logits", "matrices", "scalars"];

function groupsOf(name: typeof FILES[number], run: boolean): readonly Group["name"][] {
  if (name === "newton-schulz") return ["newton-schulz"];
  return run ? [...ONCE, "run"] : ONCE;
}

for (const name of FILES) {
  Deno.test(`${name} passes on the reference device in float64`, () => {
    const report = checkGolden(goldenOf(name), new ReferenceDevice(), { precision: "fp32", run: "auto" });
    assertPasses(report, groupsOf(name, name !== "wide"));
    assertEquals(report.skipped.length, name === "wide" ? 1 : 0);
  });
}

/** All files on a device that is closed at the end; `whole`: the long run too. */
function assertGoldens(device: Device, precision: Precision, whole: boolean): void {
  try {
    for (const name of FILES) {
      const run = whole || name !== "wide";
      assertPasses(checkGolden(goldenOf(name), device, { precision, run }), groupsOf(name, run));
    }
  } finally {
    device.close();
  }
}

for (const precision of ["fp32", "bf16"] as const) {
  for (const set of cpuSets()) {
    Deno.test(`the golden files pass on ${set.isa}${set.simulated ? " (simulated)" : ""} in ${precision}`, () => {
      assertGoldens(openSet(set, 2), precision, !set.simulated);
    });
  }
  Deno.test(`the golden files pass on the emulated GPU in ${precision}`, { ignore: NO_EMULATED }, () => {
    assertGoldens(openEmulated(), precision, false);
  });
}

// ---- the check must see what is wrong ----

/** The smallest model golden with some of its tensors changed. */
function changed(
  change: (
    tensors: Map<
      string,
      ModelGolden["tensors"] extends ReadonlyMap<string, infer T> ? T : never
    >,
  ) => void,
): ModelGolden {
  const golden = goldenOf("odd");
  assert(golden.kind === "model");
  const tensors = new Map(golden.tensors);
  change(tensors);
  return { ...golden, tensors };
}

/** The groups that fail for a golden file, on the reference device and without the run. */
function failures(golden: Golden): string[] {
  const report = checkGolden(golden, new ReferenceDevice(), { precision: "fp32", run: false });
  assertEquals(report.pass, report.groups.every(({ pass }) => pass));
  return report.groups.filter(({ pass }) => !pass).map(({ name, where }) => `${name}: ${where}`);
}

/** The tensor with one element replaced. */
function spoilt(golden: ModelGolden, name: string, index: number, value: (before: number) => number) {
  const tensor = golden.tensors.get(name);
  assert(tensor, name);
  const values = Float64Array.from({ length: tensor.values.length }, (_, i) => tensor.values[i] ?? NaN);
  values[index] = value(values[index] ?? NaN);
  return { ...tensor, values };
}

Deno.test("a golden answer that is off, not finite, misshapen, missing or too much fails", () => {
  const odd = changed(() => {});
  assertEquals(failures(odd), []);
  const key = "grad.blocks.2.attn.q.weight", scalar = "grad.blocks.4.residual_mix";
  const cases: readonly (readonly [ModelGolden, string])[] = [
    [changed((t) => t.set("loss", spoilt(odd, "loss", 0, (x) => x + 2e-9))), "loss: mean of 1"],
    [changed((t) => t.set("loss", spoilt(odd, "loss", 0, () => NaN))), "loss: mean of 1"],
    [changed((t) => t.delete("loss")), "loss: mean of 1"],
    [changed((t) => t.set("logits", spoilt(odd, "logits", 77, () => Infinity))), "logits: first microbatch"],
    [changed((t) => t.set("logits", spoilt(odd, "logits", 77, (x) => x + 1e-3))), "logits: first microbatch"],
    [changed((t) => t.delete("logits")), "logits: first microbatch"],
    [changed((t) => t.set(key, spoilt(odd, key, 5, (x) => x + 1e-3))), "matrices: blocks.2.attn.q.weight"],
    [changed((t) => t.set(key, spoilt(odd, key, 5, () => NaN))), "matrices: blocks.2.attn.q.weight"],
    [
      changed((t) => t.set(key, { ...spoilt(odd, key, 5, (x) => x), shape: [24, 96] })),
      "matrices: blocks.2.attn.q.weight",
    ],
    [changed((t) => t.delete(key)), "matrices: blocks.2.attn.q.weight"],
    [changed((t) => t.set("grad.more", spoilt(odd, key, 5, (x) => x))), "matrices: grad.more"],
    [
      changed((t) => t.set(scalar, spoilt(odd, scalar, 1, (x) => x + 1e-3))),
      "scalars: blocks.4.residual_mix",
    ],
    [changed((t) => t.delete(scalar)), "scalars: blocks.4.residual_mix"],
  ];
  for (const [golden, expected] of cases) assertEquals(failures(golden), [expected]);
});

Deno.test("a run with one loss that is off fails at its step", () => {
  const odd = changed(() => {});
  const golden = changed((t) => t.set("train.loss", spoilt(odd, "train.loss", 1, (x) => x + 2e-8)));
  const report = checkGolden({ ...golden, runSteps: 3 }, new ReferenceDevice(), {
    precision: "fp32",
    run: true,
  });
  const run = report.groups.find(({ name }) => name === "run");
  assertEquals([run?.pass, run?.where, run?.count], [false, "step 1", 3]);
  const left = checkGolden({ ...golden, runSteps: 0 }, new ReferenceDevice(), {
    precision: "fp32",
    run: true,
  });
  assertEquals([left.pass, left.skipped], [true, ["run: the file has none"]]);
});

Deno.test("a Newton-Schulz answer that is off fails", () => {
  const golden = goldenOf("newton-schulz");
  assert(golden.kind === "newton-schulz");
  const cases = golden.cases.map(({ input, output }, i) => ({
    input,
    output: {
      ...output,
      values: Float64Array.from(output.values, (value) => i === 2 ? value * (1 + 2e-6) : value),
    },
  }));
  assertEquals(failures({ ...golden, cases }), ["newton-schulz: case 2"]);
  assertEquals(failures({ ...golden, cases: [] }), ["newton-schulz: nothing to compare"]);
});
