// Plans against each other and against the plain interpreter: memory shared by lifetime, recomputation, working copies,
// hoisting and fusion must not change what is computed. Runs on the reference device and on the cpu's own sets.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "../../lib/base/compare.ts";
import { InternalError } from "../../lib/base/errors.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { RandomStream } from "../../lib/base/random.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import type { Device } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { accumulateGraph, evaluateGraph, gradientName } from "../../lib/model/gpt.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_NEXT, buildPlan, type PlanOptions } from "../../lib/plan/build.ts";
import { type Plan, programOf } from "../../lib/plan/plan.ts";
import { Executor } from "../../lib/run/executor.ts";
import { interpret } from "../../lib/run/interpret.ts";
import { cpuSets, openSet } from "../ffi/cpu_sets.ts";

const MODEL = { ...PRESETS.tiny.values.model, layers: 4, heads: 2, dim: 20, vocab: 37, eos: 5, window: 7 };
const SPECS = parameterSpecs(MODEL);
const [ROWS, T] = [66, 33];
const FUSED: PlanOptions = { lacks: () => false, recompute: true };
const KEPT: PlanOptions = { lacks: () => false, recompute: false };
const PLAIN: PlanOptions = { lacks: (op) => OPS[op].expand !== undefined, recompute: false };

function planOf(act: "f64" | "f32" | "bf16", options: PlanOptions): Plan {
  const batch = { rows: ROWS, T, act };
  return buildPlan(
    { accumulate: accumulateGraph(MODEL, batch, 2), forward: [evaluateGraph(MODEL, batch)] },
    options,
  );
}

/** Parameters that are small and nowhere 0, tokens with some documents. */
const PARAMETERS = SPECS.map(({ name, shape }, i) =>
  [name, drawNormal(new RandomStream(1, i), elementCount(shape), 0.3).map(Math.fround)] as const
);
const TOKENS = Array.from({ length: 2 * ROWS + 1 }, (_, i) => (i * i * 7 + i) % MODEL.vocab);

/** Losses and gradients after two microbatches, and the losses of `evaluate`. */
function run(device: Device, plan: Plan): Map<string, Float64Array> {
  const executor = new Executor(plan, device);
  for (const [name, values] of PARAMETERS) executor.write(name, values);
  executor.refresh();
  const found = new Map<string, Float64Array>();
  [ACCUMULATE_FIRST, ACCUMULATE_NEXT].forEach((program, m) => {
    executor.write("tokens", TOKENS.slice(m * ROWS, (m + 1) * ROWS));
    executor.write("targets", TOKENS.slice(m * ROWS + 1, (m + 1) * ROWS + 1));
    executor.run(program);
    found.set(`loss ${m}`, executor.read("loss"));
  });
  executor.run("evaluate");
  found.set("losses", executor.read("losses"));
  for (const { name } of SPECS) found.set(gradientName(name), executor.read(gradientName(name)));
  executor.close();
  return found;
}

function stepCount(plan: Plan): number {
  return programOf(plan, ACCUMULATE_FIRST).steps.length;
}

Deno.test("a plan computes what its graphs mean: reference device against the interpreter, bit for bit", () => {
  const planned = run(new ReferenceDevice(), planOf("f64", PLAIN));
  const feeds = Object.fromEntries(PARAMETERS);
  const batch = { rows: ROWS, T, act: "f64" as const };
  const [first, second] = [0, 1].map((m) =>
    interpret(accumulateGraph(MODEL, batch, 2), {
      ...feeds,
      tokens: TOKENS.slice(m * ROWS, (m + 1) * ROWS),
      targets: TOKENS.slice(m * ROWS + 1, (m + 1) * ROWS + 1),
    })
  );
  assertEquals(planned.get("loss 0"), first?.["loss"]);
  assertEquals(planned.get("loss 1"), second?.["loss"]);
  for (const { name } of SPECS) {
    const key = gradientName(name);
    const sum = first?.[key]?.map((value, i) => value + (second?.[key]?.[i] ?? NaN));
    // A product that adds to its result starts from it: the same sum in another order.
    assertClose(planned.get(key) ?? [], sum ?? [], { mark: 1e-14 }, key);
  }
});

const OWN = cpuSets().filter(({ simulated }) => !simulated);

Deno.test("recomputation saves memory and changes no bit", { ignore: OWN.length === 0 }, () => {
  for (const set of OWN) {
    const device = openSet(set, 2);
    for (const act of ["f32", "bf16"] as const) {
      const [again, kept] = [planOf(act, FUSED), planOf(act, KEPT)];
      assert(again.plannedBytes < kept.plannedBytes, "expected recomputation to save memory");
      assert(stepCount(again) > stepCount(kept), "expected recomputation to add steps");
      assertEquals(run(device, again), run(device, kept), `${set.isa}, ${act}`);
    }
    device.close();
  }
});

Deno.test("fused ops and their expansions agree in float32", { ignore: OWN.length === 0 }, () => {
  for (const set of OWN) {
    const device = openSet(set, 2);
    const [fusedPlan, plainPlan] = [planOf("f32", FUSED), planOf("f32", PLAIN)];
    assert(stepCount(plainPlan) > stepCount(fusedPlan));
    const [fused, plain] = [run(device, fusedPlan), run(device, plainPlan)];
    const total = Math.sqrt(
      SPECS.reduce(
        (sum, { name }) => sum + (plain.get(gradientName(name))?.reduce((s, g) => s + g * g, 0) ?? NaN),
        0,
      ),
    );
    for (const [key, values] of fused) {
      // The marks of float32 against float64 answers; scalars are sums that nearly cancel.
      const mark = key.startsWith("grad.") && values.length < 4 ? 1e-4 : 1e-5;
      const floor = key.startsWith("grad.") ? 1e-6 * total : 0;
      assertClose(values, plain.get(key) ?? [], { mark, floor }, `${set.isa}, ${key}`);
    }
    device.close();
  }
});

Deno.test("gradients are overwritten by the first microbatch and added to by the next", () => {
  const executor = new Executor(planOf("f64", PLAIN), new ReferenceDevice());
  for (const [name, values] of PARAMETERS) executor.write(name, values);
  executor.refresh();
  executor.write("tokens", TOKENS.slice(0, ROWS));
  executor.write("targets", TOKENS.slice(1, ROWS + 1));
  const gradients = (program: string) => {
    executor.run(program);
    return SPECS.map(({ name }) => executor.read(gradientName(name)));
  };
  const once = gradients(ACCUMULATE_FIRST), twice = gradients(ACCUMULATE_NEXT);
  // The first block mixes its values with themselves.
  const zero = SPECS.filter((_, i) => once[i]?.every((value) => value === 0)).map(({ name }) => name);
  assertEquals(zero, ["blocks.0.attn.value_mix"]);
  twice.forEach((gradient, i) => assertClose(gradient, once[i]?.map((g) => 2 * g) ?? [], { mark: 1e-13 }));
  assertEquals(gradients(ACCUMULATE_FIRST), once);
  executor.close();
});

Deno.test("a program, tensor or element that is not there is named", () => {
  const executor = new Executor(planOf("f64", PLAIN), new ReferenceDevice());
  assertThrows(() => executor.run("nothing"), InternalError, "no program nothing");
  assertThrows(() => executor.read("nothing"), InternalError, "no lasting tensor nothing");
  assertThrows(() => executor.read("loss", 0, 2), InternalError, "loss has 1 elements");
  executor.close();
});
