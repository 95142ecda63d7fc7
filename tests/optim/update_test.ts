// The update of all parameters as programs: however many matrices go into one batch of Newton-Schulz, every device that has
// the kernel leaves the same bits in parameters, momenta and flags; the batch itself is gone with the program. Which values
// are right, ops_test.ts and the goldens say.

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { DType } from "../../lib/base/dtype.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { RandomStream } from "../../lib/base/random.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import type { Device } from "../../ffi/device.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { stateNames, updateGraph } from "../../lib/optim/update.ts";
import { buildPlan } from "../../lib/plan/build.ts";
import { chipOf, fastestForm } from "../../lib/plan/forms.ts";
import { kernelSteps, type Plan, programOf } from "../../lib/plan/plan.ts";
import { Executor } from "../../lib/run/executor.ts";
import { openSubjects, SUBJECT_NAMES } from "../ffi/subjects.ts";

const { model, optim } = PRESETS.tiny.values;
/** Eight squares, two tall and two wide matrices; of the odd width, most of a batch begin at no whole 16 bytes. */
const MODELS = [{ ...model, layers: 2, dim: 40, vocab: 11 }, { ...model, layers: 2, dim: 7, vocab: 11 }];

function planOf(sizes: typeof model, act: DType, batch: number, device?: Device): Plan {
  const form = device && device.kind !== "cpu" ? chipOf(device.describe().isa) : undefined;
  return buildPlan({ update: updateGraph(parameterSpecs(sizes), optim, act, batch), forward: [] }, {
    lacks: () => false,
    recompute: false,
    ...(form && { form: (op, s) => fastestForm(op, s, form) }),
  });
}

/** Everything that lasts, after two updates from drawn values. */
function updated(device: Device, plan: Plan): Map<string, Float64Array> {
  const executor = new Executor(plan, device);
  const names = [...plan.lasting.keys()].sort();
  names.forEach((name, i) => {
    const { shape, kind } = plan.lasting.get(name) ?? { shape: [] };
    const values = drawNormal(new RandomStream(7, i), elementCount(shape));
    executor.write(name, kind === "optimiser" || kind === "input" ? values.map(Math.abs) : values);
  });
  executor.run("update");
  executor.run("update");
  const found = new Map(names.map((name) => [name, executor.read(name)]));
  executor.close();
  return found;
}

Deno.test(
  "how many matrices Newton-Schulz takes changes no bit",
  { ignore: SUBJECT_NAMES.length === 0 },
  () => {
    using subjects = openSubjects();
    for (const sizes of MODELS) {
      for (const act of ["f32", "bf16"] as const) {
        for (const { name, twice } of subjects.all) {
          const [alone] = twice((device) => updated(device, planOf(sizes, act, 1, device)));
          // Of the squares five, then three.
          const [together, again] = twice((device) => updated(device, planOf(sizes, act, 5, device)));
          assertEquals(together, alone, `${name}, ${act}, width ${sizes.dim}`);
          assertEquals(again, alone, `${name} the second way, ${act}, width ${sizes.dim}`);
        }
      }
    }
  },
);

Deno.test("matrices of a shape stand in batches of at most so many; what lasts is the same", () => {
  const batches = (plan: Plan) =>
    kernelSteps(programOf(plan, "update").steps).filter(({ op }) => op === "newtonSchulz").map(({ args }) =>
      args.slice(0, 3).join(" ")
    );
  const sizes = MODELS[0] ?? model;
  const [one, three, all] = [1, 3, 48].map((batch) => planOf(sizes, "bf16", batch));
  assert(one && three && all);
  assertEquals(batches(one).length, 12);
  assertEquals(batches(three).sort(), [
    "2 160 40",
    "2 40 160",
    "2 40 40",
    "3 40 40",
    "3 40 40",
  ]);
  assertEquals(batches(all), ["8 40 40", "2 160 40", "2 40 160"]);
  const lasting = (plan: Plan) =>
    [...plan.lasting.values()].map(({ name, kind, shape }) => ({ name, kind, shape })).sort((a, b) =>
      a.name < b.name ? -1 : 1
    );
  assertEquals(lasting(all), lasting(one));
  assertEquals(all.lastingBytes, one.lastingBytes);
  assertEquals(all.naiveBytes, one.naiveBytes);
  const states = lasting(all).filter(({ kind }) => kind === "optimiser").map(({ name }) => name);
  assertEquals(states, [...parameterSpecs(sizes).flatMap(stateNames), "flags"].sort());
});

Deno.test("a device without the kernel cannot take a batch", () => {
  const graph = updateGraph(parameterSpecs(MODELS[0] ?? model), optim, "f64", 2);
  const options = { lacks: (op: keyof typeof OPS) => OPS[op].expand !== undefined, recompute: false };
  const said = "expected a matrix, found shape 2x40x40";
  assertThrows(() => buildPlan({ update: graph, forward: [] }, options), RangeError, said);
});
