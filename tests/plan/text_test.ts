// Plans as text against stored snapshots: a change of model, gradients, fusion, recomputation or placement shows here
// line by line. After a wanted change: deno test -A tests/plan/text_test.ts -- --update-snapshots

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import type { DeviceKind } from "../../ffi/device.ts";
import { UserError } from "../../lib/base/errors.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { at } from "../../lib/graph/node.ts";
import { ACCUMULATE_FIRST } from "../../lib/plan/build.ts";
import {
  kernelSteps,
  type Place,
  type Plan,
  type Program,
  programOf,
  tensorBytes,
} from "../../lib/plan/plan.ts";
import { costOf, reportPlan, requireMemory, stepCost } from "../../lib/plan/report.ts";
import { formatPlan } from "../../lib/plan/text.ts";
import type { Precision } from "../../lib/run/devices.ts";
import { planRun } from "../../lib/run/programs.ts";
import { checkSnapshot } from "../snapshot.ts";

const FOLDER = join(import.meta.dirname ?? ".", "snapshots");

/** The smallest model that has everything: a skip, a value mix, a window shorter than the sequence. */
function planOf(kind: DeviceKind, precision: Precision, dim = 16, deterministic = true): Plan {
  const { model, optim } = PRESETS.tiny.values;
  return planRun({
    deterministic,
    model: { ...model, dim, vocab: 64, eos: 63, window: 8 },
    kind,
    precision,
    sequenceLength: 12,
    deviceBatchSequences: 2,
    training: { optim, microbatches: 2 },
    evaluate: true,
    predict: true,
  });
}

const CASES = [["cpu", "bf16"], ["cpu", "fp32"], ["reference", "fp32"], ["emulated", "bf16"]] as const;

for (const [kind, precision] of CASES) {
  const name = kind === "reference" ? kind : `${kind}-${precision}`;
  Deno.test(`the plan for ${name} is as stored`, () =>
    checkSnapshot(join(FOLDER, `${name}.txt`), formatPlan(planOf(kind, precision))));
}

Deno.test("the plan for emulated-bf16 with heads of 128, which fast kernels take, is as stored", () =>
  checkSnapshot(join(FOLDER, "emulated-bf16-wide.txt"), formatPlan(planOf("emulated", "bf16", 256, false))));

Deno.test("a deterministic plan differs only in the form of attention's gradient with heads of 128, and that one's memory", () => {
  const free = planOf("emulated", "bf16", 256, false), fixed = planOf("emulated", "bf16", 256);
  const withoutForms = (plan: Plan) =>
    [...plan.programs.values()].map(({ steps }) =>
      kernelSteps(steps).map(({ op, form, args, tensors }) => ({
        op,
        form: op === "attentionGrad" ? null : form,
        args: op === "attentionGrad" ? args.slice(0, -1) : args,
        tensors: tensors.map(({ name, shape }) =>
          op === "attentionGrad" && name === "workspace" ? name : shape
        ),
      }))
    );
  assertEquals(withoutForms(free), withoutForms(fixed));
  const gradients = (plan: Plan) =>
    kernelSteps(programOf(plan, ACCUMULATE_FIRST).steps).filter(({ op }) => op === "attentionGrad")
      .map(({ form, tensors }) => [form, tensorBytes(at(tensors, tensors.length - 1))]);
  // Two sequences of 12 rows and two heads: sums of dO O, and a tile of 64 x 128 of float32 for each sequence and head.
  const sums = 4 * 2 * 12 * 2;
  assertEquals(gradients(fixed), [["wgmma", sums], ["wgmma", sums]]);
  const adding = sums + 2 * 2 * 64 * 128 * 4;
  assertEquals(gradients(free), [["wgmmaAdd", adding], ["wgmmaAdd", adding]]);
  for (const kind of ["cpu", "reference"] as const) {
    assertEquals(formatPlan(planOf(kind, "bf16", 256, false)), formatPlan(planOf(kind, "bf16", 256)), kind);
  }
});

Deno.test("formatPlan() is the same for the same plan built twice, and not for another", () => {
  assertEquals(formatPlan(planOf("cpu", "bf16")), formatPlan(planOf("cpu", "bf16")));
  assert(formatPlan(planOf("cpu", "bf16")) !== formatPlan(planOf("cpu", "fp32")));
});

/** A tensor's bytes, and the steps from its first to its last use. */
interface Life {
  readonly place: Place;
  readonly end: number;
  readonly first: number;
  last: number;
}

function livesOf(program: Program): Life[] {
  const lives = new Map<Place, Life>();
  program.steps.forEach((step, i) => {
    for (const place of step.tensors) {
      const life = lives.get(place) ?? { place, end: place.offset + tensorBytes(place), first: i, last: i };
      life.last = i;
      lives.set(place, life);
    }
  });
  return [...lives.values()];
}

/** Whether two tensors are in the same bytes at the same time. */
function sharesBytes(a: Life, b: Life): boolean {
  return a.place.offset < b.end && b.place.offset < a.end && a.first <= b.last && b.first <= a.last;
}

/** Whether `next` is made by the step that reads `before` for the last time, in its very place. */
function takesOver(next: Life, before: Life): boolean {
  const samePlace = next.place.offset === before.place.offset && next.end === before.end;
  return samePlace && next.first === before.last && before.first < before.last;
}

Deno.test("no two tensors that live at once share bytes, but for an output in its input's place", () => {
  for (const [kind, precision] of CASES) {
    const plan = planOf(kind, precision);
    const lasting = [...plan.lasting.values()].sort((a, b) => a.offset - b.offset);
    lasting.forEach((tensor, i) => {
      const limit = lasting[i + 1]?.offset ?? plan.lastingBytes;
      assert(tensor.offset + tensorBytes(tensor) <= limit, `${tensor.name} runs into the next`);
    });
    for (const program of plan.programs.values()) {
      const short = livesOf(program).filter(({ place }) => plan.lasting.get(place.name) !== place);
      assert(
        program.name !== ACCUMULATE_FIRST || short.length > 50,
        "expected to have found the activations",
      );
      const clashes = short.flatMap((a, i) =>
        short.slice(i + 1).filter((b) => sharesBytes(a, b) && !takesOver(a, b) && !takesOver(b, a))
          .map((b) => `${a.place.name} and ${b.place.name} at step ${b.first} of ${program.name}`)
      );
      assertEquals(clashes, []);
      for (const { place, end } of short) {
        assert(place.offset >= plan.lastingBytes && end <= plan.plannedBytes);
      }
    }
  }
});

Deno.test("a step's cost is that of its microbatches and one update", () => {
  const plan = planOf("cpu", "bf16");
  const cost = (name: string) => costOf(plan, name).flops;
  const expected = cost("accumulate-first") + 3 * cost("accumulate-next") + cost("update") + cost("refresh");
  assertEquals(stepCost(plan, 4).flops, expected);
  // Forward 2, backward 4 FLOPs for each weight of a matrix and token; attention and the rest come on top.
  const weights = [...plan.lasting.values()].filter((t) => t.kind === "parameter" && t.shape.length === 2);
  const matrices = weights.filter((t) => t.name !== "embed.weight").reduce(
    (sum, t) => sum + tensorBytes(t) / 4,
    0,
  );
  const matmuls = 6 * 24 * matrices;
  assert(cost("accumulate-first") > matmuls && cost("accumulate-first") < 2.5 * matmuls);
});

Deno.test("reportPlan() counts parameters and bytes, requireMemory() names what to lower", () => {
  const plan = planOf("cpu", "bf16");
  const report = reportPlan(plan, 2);
  // Two embeddings of 64 x 16; twelve 16 x 16 matrices' worth and three scalars a block; one skip weight.
  assertEquals(report.parameters, 2 * 64 * 16 + 2 * (12 * 16 * 16 + 3) + 1);
  const used = report.bytesByUse.reduce((sum, { bytes }) => sum + bytes, 0);
  // The rest is alignment: less than 64 bytes a tensor.
  assert(used <= plan.plannedBytes && plan.plannedBytes - used < 64 * plan.lasting.size);
  assert(report.plannedBytes < report.naiveBytes);
  const sizes = report.largest.map(({ bytes }) => bytes);
  assertEquals(sizes, [...sizes].sort((a, b) => b - a));
  assertEquals(sizes.length, 10);

  requireMemory(plan, plan.plannedBytes);
  const error = assertThrows(() => requireMemory(plan, plan.plannedBytes - 1), UserError);
  for (
    const word of [
      "parameter",
      "short-lived",
      "data.deviceBatchSequences",
      "data.sequenceLength",
      "model.dim",
    ]
  ) {
    assertStringIncludes(error.message, word);
  }
});
