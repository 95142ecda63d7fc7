// Compares a device with a golden file by the pass marks: loss, logits, every gradient and the training run of a model,
// or the Newton-Schulz iteration, or starting values. What is missing, too much, misshapen or not finite fails. The run
// is left out on the reference device where it would take long. Imports lib/base, the model and its neighbours.

import { compare, type Comparison, type Tolerance } from "../base/compare.ts";
import { elementCount, formatShape, sameShape } from "../base/shape.ts";
import type { Device } from "../../ffi/device.ts";
import { PRESETS } from "../config/presets.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { gradientName, INPUTS } from "../model/gpt.ts";
import { startingValues } from "../model/init.ts";
import { parameterSpecs } from "../model/parameters.ts";
import { stepScalars } from "../optim/schedule.ts";
import { UPDATE_INPUTS } from "../optim/update.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_NEXT, buildPlan } from "../plan/build.ts";
import { lastingOf } from "../plan/plan.ts";
import { stepCost } from "../plan/report.ts";
import { activationType, planOptionsFor, type Precision, targetOf } from "./devices.ts";
import { Executor } from "./executor.ts";
import type { Golden, InitialGolden, ModelGolden, NewtonSchulzGolden, Tensor } from "./golden_file.ts";
import { MARKS, type Marks, NORM_EPS_BOUND } from "./marks.ts";
import { initialise } from "./model_state.ts";
import { planRun } from "./programs.ts";

/** Names of what is compared, in the table's order. */
type GroupName = "loss" | "logits" | "matrices" | "scalars" | "run" | "newton-schulz" | "start";

/** The worst of one group. */
export interface Group {
  readonly name: GroupName;
  /** Tensors or steps compared. */
  readonly count: number;
  readonly pass: boolean;
  /** Absolute for loss and run, relative in the norm for the rest, units in the last place for start. */
  readonly error: number;
  readonly mark: number;
  /** The worst one's difference over what is allowed, floor included. */
  readonly ratio: number;
  /** Which tensor or step it is. */
  readonly where: string;
  readonly reason: string;
}

/** What a check of one golden file found. */
export interface GoldenReport {
  readonly groups: readonly Group[];
  /** What was left out, and why. */
  readonly skipped: readonly string[];
  readonly pass: boolean;
}

/** How to check. */
export interface GoldenOptions {
  readonly precision: Precision;
  /** Whether to do the training run; "auto": on the reference device only up to REFERENCE_RUN_FLOPS. */
  readonly run: boolean | "auto";
}

/** Floating-point operations of a run that the reference device does in about a minute. */
const REFERENCE_RUN_FLOPS = 3e10;

/** Runs the check on an open device. */
export function checkGolden(golden: Golden, device: Device, options: GoldenOptions): GoldenReport {
  const marks = MARKS[device.kind === "reference" ? "f64" : options.precision];
  switch (golden.kind) {
    case "model":
      return checkModel(golden, device, options, marks);
    case "newton-schulz":
      return report([checkNewtonSchulz(golden, device, options.precision, marks)], []);
    case "initial":
      return report([checkStart(golden)], []);
    default:
      return golden satisfies never;
  }
}

function report(groups: readonly Group[], skipped: readonly string[]): GoldenReport {
  return { groups, skipped, pass: groups.length > 0 && groups.every((group) => group.pass) };
}

/** Collects the comparisons of a group and keeps the worst. */
class GroupCheck {
  readonly name: GroupName;
  readonly mark: number;
  readonly #errorOf: (found: Comparison) => number;
  #count = 0;
  #pass = true;
  #worst: { readonly where: string; readonly found: Comparison } | undefined;

  constructor(name: GroupName, mark: number, error: "absolute" | "relative" | "ratio") {
    this.name = name;
    this.mark = mark;
    this.#errorOf = (found) =>
      error === "absolute" ? found.difference : error === "relative" ? found.relative : found.ratio;
  }

  add(
    where: string,
    actual: Tensor | undefined,
    expected: Tensor | undefined,
    tolerance: Tolerance = { absolute: this.mark },
  ): void {
    const found = compared(actual, expected, tolerance);
    this.#count++;
    this.#pass = this.#pass && found.pass;
    // A failure beats any pass; among equals the larger share of what is allowed.
    const before = this.#worst?.found;
    const rank = (c: Comparison) => (c.pass ? 0 : 1e300) + Math.min(c.ratio, 1e299);
    if (!before || rank(found) > rank(before)) this.#worst = { where, found };
  }

  finish(): Group {
    const { where = "nothing to compare", found } = this.#worst ?? {};
    return {
      name: this.name,
      count: this.#count,
      pass: this.#pass && found !== undefined,
      error: found ? this.#errorOf(found) : Infinity,
      mark: this.mark,
      ratio: found?.ratio ?? Infinity,
      where,
      reason: found?.reason ?? "nothing to compare",
    };
  }
}

function compared(
  actual: Tensor | undefined,
  expected: Tensor | undefined,
  tolerance: Tolerance,
): Comparison {
  if (actual && expected) {
    return compare(actual.values, expected.values, tolerance, {
      actual: actual.shape,
      expected: expected.shape,
    });
  }
  const never = { difference: Infinity, allowed: 0, ratio: Infinity, relative: Infinity };
  const reason = expected ? "missing: the model has no such tensor" : "missing from the golden file";
  return { pass: false, worst: undefined, ...never, reason };
}

// ---- a model ----

/** One model on one device, with the golden file's answers beside it. */
class ModelCheck {
  readonly #golden: ModelGolden;
  readonly #executor: Executor;
  readonly #marks: Marks;

  constructor(golden: ModelGolden, executor: Executor, marks: Marks) {
    this.#golden = golden;
    this.#executor = executor;
    this.#marks = marks;
  }

  /** Loss, logits and gradients at the file's parameters. */
  once(): Group[] {
    const { tensors, microbatches, model } = this.#golden;
    const specs = parameterSpecs(model);
    for (const { name } of specs) this.#executor.write(name, this.#given(`param.${name}`));
    this.#executor.refresh();
    const logits = new GroupCheck("logits", this.#marks.logits, "relative");
    const tokens = this.#given("tokens"), targets = this.#given("targets");
    const mean = this.#accumulate((m, T) => [slice(tokens, m * T, T), slice(targets, m * T, T)], (m) => {
      if (m > 0) return;
      this.#executor.run("logits");
      logits.add("first microbatch", this.#read("logits"), tensors.get("logits"), {
        mark: this.#marks.logits,
      });
    });
    const loss = new GroupCheck("loss", this.#marks.loss, "absolute");
    loss.add(`mean of ${microbatches}`, { shape: [1], values: [mean] }, tensors.get("loss"));
    return [loss.finish(), logits.finish(), ...this.#gradients()];
  }

  /** Every gradient against its mark and the floor, which all gradients together set. */
  #gradients(): Group[] {
    const { tensors, model } = this.#golden;
    const specs = parameterSpecs(model);
    const names = new Set(specs.map(({ name }) => gradientName(name)));
    const given = [...tensors].filter(([name]) => name.startsWith("grad."));
    const total = Math.sqrt(given.reduce((sum, [, { values }]) => sum + sumOfSquares(values), 0));
    // A total that is not finite is some gradient's, which fails by itself.
    const floor = Number.isFinite(total) ? this.#marks.floor * total : 0;
    const matrices = new GroupCheck("matrices", this.#marks.matrices, "relative");
    const scalars = new GroupCheck("scalars", this.#marks.scalars, "relative");
    for (const { name, rate } of specs) {
      const group = rate === "scalarLr" ? scalars : matrices;
      const key = gradientName(name);
      const actual = this.#executor.plan.lasting.has(key) ? this.#read(key) : undefined;
      group.add(name, actual, tensors.get(key), { mark: group.mark, floor });
    }
    for (const [name, tensor] of given) if (!names.has(name)) matrices.add(name, undefined, tensor);
    return [matrices.finish(), scalars.finish()];
  }

  /** The training run from the recipe's start, step by step. */
  run(): Group {
    const { model, optim, schedule, seed, microbatches, runSteps, tensors } = this.#golden;
    const mark = model.normEps >= NORM_EPS_BOUND ? this.#marks.run : this.#marks.runSmallEps;
    const group = new GroupCheck("run", mark, "absolute");
    for (const tensor of this.#executor.plan.lasting.values()) {
      if (tensor.kind === "optimiser") {
        this.#executor.write(tensor.name, new Float32Array(elementCount(tensor.shape)));
      }
    }
    initialise(this.#executor, parameterSpecs(model), seed);
    const tokens = this.#given("train.tokens");
    const losses = tensors.get("train.loss")?.values ?? [];
    for (let t = 0; t < runSteps; t++) {
      const mean = this.#accumulate((m, T) => {
        const first = t * (microbatches * T + 1) + m * T;
        return [slice(tokens, first, T), slice(tokens, first + 1, T)];
      });
      group.add(`step ${t}`, { shape: [1], values: [mean] }, { shape: [1], values: slice(losses, t, 1) });
      this.#executor.write(UPDATE_INPUTS.scalars, stepScalars(schedule, optim, t));
      this.#executor.run("update");
      this.#executor.refresh();
    }
    return group.finish();
  }

  /** Forward and backward of all microbatches; returns the mean loss. */
  #accumulate(
    batch: (m: number, T: number) => [ArrayLike<number>, ArrayLike<number>],
    after: (m: number) => void = () => {},
  ): number {
    const { microbatches, sequenceLength } = this.#golden;
    let mean = 0;
    for (let m = 0; m < microbatches; m++) {
      const [tokens, targets] = batch(m, sequenceLength);
      this.#executor.write(INPUTS.tokens, tokens);
      this.#executor.write(INPUTS.targets, targets);
      this.#executor.run(m === 0 ? ACCUMULATE_FIRST : ACCUMULATE_NEXT);
      mean += (this.#executor.read("loss")[0] ?? NaN) / microbatches;
      after(m);
    }
    return mean;
  }

  #given(name: string): ArrayLike<number> {
    return this.#golden.tensors.get(name)?.values ?? [];
  }

  #read(name: string): Tensor {
    return { shape: lastingOf(this.#executor.plan, name).shape, values: this.#executor.read(name) };
  }
}

function checkModel(golden: ModelGolden, device: Device, options: GoldenOptions, marks: Marks): GoldenReport {
  const { model, optim, sequenceLength, microbatches, runSteps } = golden;
  const plan = planRun({
    ...targetOf(device),
    model,
    precision: options.precision,
    sequenceLength,
    deviceBatchSequences: 1,
    training: { optim, microbatches },
    logits: true,
  });
  const runFlops = runSteps * stepCost(plan, microbatches).flops;
  const skipped: string[] = [];
  let run = options.run !== false;
  if (runSteps === 0) {
    skipped.push("run: the file has none");
    run = false;
  } else if (!run) {
    skipped.push("run: not asked for");
  } else if (options.run === "auto" && device.kind === "reference" && runFlops > REFERENCE_RUN_FLOPS) {
    const gflop = (flops: number) => `${Math.round(flops / 1e9)} GFLOP`;
    skipped.push(`run: ${gflop(runFlops)}, the reference device does up to ${gflop(REFERENCE_RUN_FLOPS)}`);
    run = false;
  }
  const executor = new Executor(plan, device);
  try {
    const check = new ModelCheck(golden, executor, marks);
    return report([...check.once(), ...(run ? [check.run()] : [])], skipped);
  } finally {
    executor.close();
  }
}

function slice(values: ArrayLike<number>, first: number, count: number): ArrayLike<number> {
  return Float64Array.from({ length: count }, (_, i) => values[first + i] ?? NaN);
}

function sumOfSquares(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] ?? NaN) ** 2;
  return sum;
}

// ---- Newton-Schulz ----

function checkNewtonSchulz(
  golden: NewtonSchulzGolden,
  device: Device,
  precision: Precision,
  marks: Marks,
): Group {
  const group = new GroupCheck("newton-schulz", marks.newtonSchulz, "relative");
  const act = activationType(device.kind, precision);
  golden.cases.forEach(({ input, output }, i) => {
    const b = new GraphBuilder();
    const x = b.input("x", input.shape, act === "f64" ? "f64" : "f32");
    const y = b.one("newtonSchulz", [x], { steps: golden.steps, dtype: act });
    const graph = b.build("orthogonalise", { y });
    const executor = new Executor(buildPlan({ forward: [graph] }, planOptionsFor(targetOf(device))), device);
    executor.write("x", input.values);
    executor.run(graph.name);
    group.add(`case ${i}`, { shape: input.shape, values: executor.read("y") }, output, { mark: group.mark });
    executor.close();
  });
  return group.finish();
}

// ---- starting values ----

/** The model and seed of the file of starting values: the record's. */
const RECORD = PRESETS["speedrun-2024-11-19"].values;

/** The first starting values, each within one unit in the last place: libraries differ in sin, cos and log. */
function checkStart(golden: InitialGolden): Group {
  const group = new GroupCheck("start", 1, "ratio");
  const specs = parameterSpecs(RECORD.model);
  const seed = RECORD.run.seed ?? NaN;
  for (const { index, name, shape, first } of golden.rows) {
    const spec = specs[index];
    if (!spec || spec.name !== name || !sameShape(spec.shape, shape)) {
      const text = spec ? `${spec.name} ${formatShape(spec.shape)}` : "none";
      group.add(`${name} ${formatShape(shape)}, here parameter ${index} is ${text}`, undefined, {
        shape,
        values: first,
      });
      continue;
    }
    const drawn = startingValues(spec, index, seed, 0, first.length);
    first.forEach((value, i) => {
      const actual = { shape: [1], values: [drawn[i] ?? NaN] };
      const expected = { shape: [1], values: [value] };
      group.add(`${name} [${i}]`, actual, expected, { absolute: lastPlace(value) });
    });
    if (first.length === 0) group.add(`${name}: no values`, undefined, undefined);
  }
  return group.finish();
}

/** Spacing of float32 numbers at `value`; 0 where that is not finite, for such a value never passes. */
function lastPlace(value: number): number {
  if (!Number.isFinite(value)) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return 2 ** (Math.max(exponent, -126) - 23);
}
