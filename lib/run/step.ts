// One training step: the microbatches' gradients, the update, and the checks that both were finite. A bad loss stops
// before the update; a bad gradient is found in it, and the parameters are then spoiled. Reads no shard and writes no
// file. May import lib/run, lib/plan, the model's names, the optimisers and data's types.

import type { Batch } from "../../data/loader.ts";
import { INPUTS } from "../model/gpt.ts";
import type { ParameterSpec } from "../model/parameters.ts";
import { type OptimConfig, type ScheduleConfig, stepScalars } from "../optim/schedule.ts";
import { UPDATE_INPUTS } from "../optim/update.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_NEXT } from "../plan/build.ts";
import type { Executor } from "./executor.ts";
import { firstBadParameter, firstBadTensor } from "./nonfinite.ts";

/** What a step needs besides its batch. */
export interface StepContext {
  readonly executor: Executor;
  readonly specs: readonly ParameterSpec[];
  readonly optim: OptimConfig;
  readonly schedule: ScheduleConfig;
}

/** What a step gives: the mean loss of its microbatches and the milliseconds of its parts. */
export interface StepResult {
  readonly loss: number;
  readonly phaseMs: { readonly accumulate: number; readonly update: number };
}

/** A step that met a NaN or infinity: which tensor held it first, and that of which microbatch where it is known. */
export class NonFinite extends Error {
  override name = "NonFinite";

  /** `updated`: the step's update has run on it, so that the parameters are spoiled. */
  constructor(readonly tensor: string, readonly updated: boolean, readonly microbatch?: number) {
    super(tensor);
  }
}

/** Runs step number `t` (from 0) on a batch. Throws NonFinite: for a loss before anything is updated, for a gradient after. */
export function runStep(context: StepContext, batch: Batch, t: number): StepResult {
  const { executor } = context;
  const started = performance.now();
  let sum = 0;
  batch.microbatches.forEach((microbatch, m) => {
    executor.write(INPUTS.tokens, microbatch.tokens);
    executor.write(INPUTS.targets, microbatch.targets);
    executor.run(m === 0 ? ACCUMULATE_FIRST : ACCUMULATE_NEXT);
    const loss = executor.read("loss")[0] ?? NaN;
    if (!Number.isFinite(loss)) throw new NonFinite(explainLoss(context, ACCUMULATE_FIRST, loss), false, m);
    sum += loss;
  });
  const accumulated = performance.now();
  executor.write(UPDATE_INPUTS.scalars, stepScalars(context.schedule, context.optim, t));
  executor.run("update");
  const flags = executor.read(UPDATE_INPUTS.flags);
  const bad = context.specs.find((_, i) => flags[i] !== 0);
  if (bad) throw new NonFinite(`the gradient of ${bad.name}`, true);
  executor.refresh();
  return {
    loss: sum / batch.microbatches.length,
    phaseMs: { accumulate: accumulated - started, update: performance.now() - accumulated },
  };
}

/** Where a bad loss came from: a parameter gone bad, or the first bad tensor of `program`, run again. */
export function explainLoss(
  context: Pick<StepContext, "executor" | "specs">,
  program: string,
  loss: number,
): string {
  const names = context.specs.map((spec) => spec.name);
  const parameter = firstBadParameter(context.executor, names);
  if (parameter !== undefined) return `parameter ${parameter}`;
  return firstBadTensor(context.executor, program) ?? `the loss (${loss})`;
}
