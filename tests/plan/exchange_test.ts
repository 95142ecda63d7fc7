// Where a rank's collectives stand in its plan: sums of gradients behind the last kernel that has them and beside those that
// do not, everything else between waits; and what a rank holds of what is shared out.

import { assert, assertEquals } from "@std/assert";
import { PRESETS } from "../../lib/config/presets.ts";
import { at } from "../../lib/graph/node.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_LAST, ACCUMULATE_NEXT } from "../../lib/plan/build.ts";
import { kernelSteps, lastingOf, type Plan, programOf, type Step } from "../../lib/plan/plan.ts";
import { planRun } from "../../lib/run/programs.ts";

const { model, optim } = PRESETS["speedrun-2024-11-19"].values;
const NAMES = parameterSpecs(model).map(({ name }) => name);
const RANKS = 8;

function planOf(rank: number, ranks: number, microbatches = ranks): Plan {
  const training = { optim, microbatches, rank: { rank, ranks } };
  const sizes = { sequenceLength: 1024, deviceBatchSequences: 1, training };
  return planRun({ model, kind: "cuda", precision: "bf16", ...sizes });
}

const PLAN = planOf(3, RANKS);
const WAIT = "nanogpt_group_wait";
const touches = (step: Step, name: string) => step.tensors.some((tensor) => tensor.name === name);

Deno.test("each gradient is summed once, behind the last kernel of the microbatch that touches it", () => {
  const { steps } = programOf(PLAN, ACCUMULATE_LAST);
  for (const name of NAMES.map((name) => `grad.${name}`)) {
    const places = steps.flatMap((step, i) => step.kind === "collective" && touches(step, name) ? [i] : []);
    assertEquals(places.length, 1, name);
    const last = steps.findLastIndex((step) => step.kind === "kernel" && touches(step, name));
    assert(last >= 0 && last < at(places, 0), name);
  }
});

Deno.test("most bytes of gradients are on their way while the backward pass goes on", () => {
  const { steps } = programOf(PLAN, ACCUMULATE_LAST);
  const lastKernel = steps.findLastIndex(({ kind, phase }) => kind === "kernel" && phase === "backward");
  const bytesOf = (some: readonly Step[]) =>
    some.filter(({ kind }) => kind === "collective").reduce((sum, { bytes }) => sum + bytes, 0);
  // The embedding's gradient is made last, of all of 124 million parameters.
  const afterwards = bytesOf(steps.slice(lastKernel + 1)), embedding = 4 * model.vocab * model.dim;
  assert(afterwards >= embedding && afterwards < embedding + 2 * (25 << 20) + 4 * 12 * model.dim ** 2);
  const runs = steps.filter((step, i) => step.kind === "collective" && steps[i - 1]?.kind === "kernel");
  assert(runs.length >= model.layers, `${runs.length} buckets`);
});

Deno.test("the update begins when all sums are done, and ends when all have all parameters", () => {
  const { steps } = programOf(PLAN, "update");
  const symbols = steps.map((step) => step.symbol);
  const kernels = steps.map(({ kind }) => kind);
  const [first, last] = [kernels.indexOf("kernel"), kernels.lastIndexOf("kernel")];
  assertEquals(symbols.slice(0, first), ["nanogpt_all_reduce", WAIT]);
  assertEquals(symbols.at(-1), WAIT);
  assert(kernels.slice(first, last + 1).every((kind) => kind === "kernel"));
  const gathered = steps.slice(last + 1).flatMap(({ tensors }) => tensors.map(({ name }) => name));
  const small = NAMES.filter((name) => lastingOf(PLAN, name).shape.length === 1);
  assertEquals(gathered.toSorted(), [...NAMES.filter((name) => !small.includes(name)), "flags"].toSorted());
});

Deno.test("a rank holds the moments of its parts and the momenta of its matrices", () => {
  const lasting = [...PLAN.lasting.values()];
  assertEquals(lastingOf(PLAN, "embed.weight.m").shape, [model.vocab * model.dim / RANKS]);
  assertEquals(lasting.filter(({ name }) => name.endsWith(".momentum")).length, 6 * model.layers / RANKS);
  assertEquals(
    kernelSteps(programOf(PLAN, "update").steps).filter(({ op }) => op === "adam").length,
    2 + 2 * 12 + 1,
  );
});

Deno.test("one rank exchanges nothing; the last microbatch adds where the rank has one before it", () => {
  const alone = planOf(0, 1);
  assert(!alone.programs.has(ACCUMULATE_LAST));
  for (const { steps } of alone.programs.values()) assert(steps.every(({ kind }) => kind === "kernel"));
  const symbols = (plan: Plan, name: string) => kernelSteps(programOf(plan, name).steps).map(({ op }) => op);
  assertEquals(symbols(PLAN, ACCUMULATE_LAST), symbols(PLAN, ACCUMULATE_FIRST));
  const longer = planOf(3, RANKS, 2 * RANKS);
  assertEquals(symbols(longer, ACCUMULATE_LAST), symbols(longer, ACCUMULATE_NEXT));
});
