// One training step: the microbatches' gradients and the update, given to the device, and then, when it has done them, the
// checks that both were finite. A bad loss halts the update on the device, so that the parameters stay; a bad gradient is
// found in the update, and the parameters are then spoiled. Reads no shard and writes no file. May import lib/run,
// lib/plan, the model's names, the optimisers and data's types.

import type { Batch, Microbatch } from "../../data/loader.ts";
import { INPUTS } from "../model/gpt.ts";
import type { ParameterSpec } from "../model/parameters.ts";
import { type OptimConfig, type ScheduleConfig, stepScalars } from "../optim/schedule.ts";
import { UPDATE_INPUTS } from "../optim/update.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_LAST, ACCUMULATE_NEXT } from "../plan/build.ts";
import type { Executor } from "./executor.ts";
import { firstBadParameter, firstBadTensor } from "./nonfinite.ts";
import type { Ranks } from "./ranks.ts";

/** What a step needs besides its batch. */
export interface StepContext {
  readonly executor: Executor;
  readonly specs: readonly ParameterSpec[];
  readonly ranks: Ranks;
  readonly optim: OptimConfig;
  readonly schedule: ScheduleConfig;
}

/** What a step gives: the mean loss of all ranks' microbatches and the milliseconds of its parts here. */
export interface StepResult {
  readonly loss: number;
  readonly phaseMs: Readonly<Record<string, number>>;
}

/** A step that met a NaN or infinity: which tensor held it first, and that of which microbatch where it is known. */
export class NonFinite extends Error {
  override name = "NonFinite";

  /** `updated`: the step's update has run on it, so that the parameters are spoiled. */
  constructor(readonly tensor: string, readonly updated: boolean, readonly microbatch?: number) {
    super(tensor);
  }
}

/** A step given to the device: done where calls run to their end, enqueued on a GPU. */
export interface BegunStep {
  /**
   * Waits for the step, and for nothing begun after it; to be called once. Throws NonFinite: for a loss, which no update
   * has followed, not even of a step begun since, or for a gradient, which its update has followed.
   */
  settle(): StepResult;
}

/** Gives step number `t` (from 0) on a batch to the device; waits for nothing that a GPU does. */
export function beginStep(context: StepContext, batch: Batch, t: number): BegunStep {
  const { executor } = context;
  const started = performance.now();
  const losses = batch.microbatches.map((microbatch, m) => {
    writeMicrobatch(executor, microbatch);
    const isShared = context.ranks.ranks > 1 && m === batch.microbatches.length - 1;
    executor.run(isShared ? ACCUMULATE_LAST : m === 0 ? ACCUMULATE_FIRST : ACCUMULATE_NEXT);
    return executor.post("loss");
  });
  const accumulated = performance.now();
  executor.write(UPDATE_INPUTS.scalars, stepScalars(context.schedule, context.optim, t));
  executor.run("update");
  const flags = executor.post(UPDATE_INPUTS.flags);
  executor.refresh();
  const phaseMs = { accumulate: accumulated - started, update: performance.now() - accumulated };
  return { settle: () => settle(context, batch, { losses, flags, phaseMs }) };
}

/** What is still to be read of a step. */
interface Posted {
  readonly losses: readonly (() => Float64Array)[];
  readonly flags: () => Float64Array;
  readonly phaseMs: StepResult["phaseMs"];
}

function settle(context: StepContext, batch: Batch, posted: Posted): StepResult {
  const { executor, specs, ranks } = context;
  const started = performance.now();
  const flags = posted.flags(); // the last to come, so that one wait is enough
  const wait = performance.now() - started;
  const losses = interleave(ranks.gather(posted.losses.map((loss) => loss()[0] ?? NaN)));
  const badLoss = losses.findIndex((loss) => !Number.isFinite(loss));
  if (badLoss >= 0) {
    const explain = () => {
      const microbatch = batch.microbatches[Math.floor(badLoss / ranks.ranks)];
      if (microbatch) writeMicrobatch(executor, microbatch);
      return explainLoss(context, ACCUMULATE_FIRST, losses[badLoss] ?? NaN);
    };
    throw new NonFinite(ranks.shareText(badLoss % ranks.ranks, explain), false, badLoss);
  }
  const badGradient = specs.find((_, i) => flags[i] !== 0);
  if (badGradient) throw new NonFinite(`the gradient of ${badGradient.name}`, true);
  return {
    loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    phaseMs: { ...posted.phaseMs, ...(executor.runsAhead && { wait }) },
  };
}

/** The numbers of each rank's microbatches in the order of the batch, in which the ranks take turns. */
function interleave(ofRanks: readonly (readonly number[])[]): number[] {
  return (ofRanks[0] ?? []).flatMap((_, m) => ofRanks.map((numbers) => numbers[m] ?? NaN));
}

function writeMicrobatch(executor: Executor, { tokens, targets }: Microbatch): void {
  executor.write(INPUTS.tokens, tokens);
  executor.write(INPUTS.targets, targets);
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
