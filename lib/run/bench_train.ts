// Times the kernels' part of training on one device: forward and backward of a microbatch, the optimiser step, or a
// whole step, of any model. Reads no data: parameters, and tokens unless given, are made up, of the sizes that training
// has. Imports lib/run, the model, optimisers and plan.

import type { Device, DevicePeak } from "../../ffi/device.ts";
import { RunError } from "../base/errors.ts";
import { RandomStream } from "../base/random.ts";
import { elementCount } from "../base/shape.ts";
import { gradientName, INPUTS } from "../model/gpt.ts";
import { startingValues } from "../model/init.ts";
import { type ModelConfig, type ParameterSpec, parameterSpecs } from "../model/parameters.ts";
import { type OptimConfig, type ScheduleConfig, stepScalars } from "../optim/schedule.ts";
import { UPDATE_INPUTS } from "../optim/update.ts";
import { ACCUMULATE_FIRST, REFRESH } from "../plan/build.ts";
import type { Plan } from "../plan/plan.ts";
import { costOf, requireMemory } from "../plan/report.ts";
import { type Precision, targetOf, usableBytes } from "./devices.ts";
import { Executor } from "./executor.ts";
import { planRun } from "./programs.ts";
import { type StepGroup, StepTimes } from "./step_times.ts";
import {
  type Budget,
  peakResidentBytes,
  repeat,
  resetPeakResident,
  type Timing,
  timingOf,
} from "./timing.ts";

/** What of a training step is the workload; a step has one microbatch here. */
export type Part = "accumulate" | "update" | "step";

/** A model and batch to time. */
export interface TrainingWork {
  readonly model: ModelConfig;
  readonly optim: OptimConfig;
  readonly schedule: ScheduleConfig;
  readonly sequenceLength: number;
  readonly sequences: number;
  readonly part: Part;
  /** All tokens and the one after them; made up, each sequence one document, where left out. */
  readonly tokens?: Int32Array;
}

/** How to time it. */
export interface TrainingBenchOptions {
  readonly device: Device;
  /** Undefined where the device has none to measure: then there are no floors. */
  readonly peak: DevicePeak | undefined;
  readonly precision: Precision;
  readonly budget: Budget;
  readonly byStep: boolean;
  /** Done after each of our runs, so that a peer's runs alternate with ours. */
  readonly between?: () => Promise<void>;
}

/** What was found. */
export interface TrainingFigures {
  /** Of the workload: the part that was asked for. */
  readonly timing: Timing;
  readonly flops: number;
  /** Tokens of a run; none in an optimiser step. */
  readonly tokens: number | undefined;
  /** Median time of an optimiser step. */
  readonly updateMs: number;
  readonly peakBytes: number | undefined;
  readonly plannedBytes: number;
  /** All steps of the workload and of the optimiser step, most time lost first; when asked for. */
  readonly steps: readonly StepGroup[] | undefined;
}

const UPDATE = ["update", REFRESH];
/** The programs of a part before the optimiser step. */
const BEFORE_UPDATE = { accumulate: [ACCUMULATE_FIRST], step: [ACCUMULATE_FIRST], update: [] } as const;
const WARM_UP_MS = 2000;

/** Times a workload. Each run is of `part` and, apart from it where it is not in it, of an optimiser step. */
export async function benchTraining(
  work: TrainingWork,
  options: TrainingBenchOptions,
): Promise<TrainingFigures> {
  const { device, precision, budget, between } = options;
  const plan = planOf(work, device, precision);
  requireMemory(plan, usableBytes(device.kind));
  resetPeakResident();
  const executor = new Executor(plan, device);
  try {
    fill(executor, work);
    const before: readonly string[] = BEFORE_UPDATE[work.part];
    warmUp(executor, before.length > 0 ? before : UPDATE);
    const times = new StepTimes();
    const after = options.byStep ? times.add : undefined;
    const beforeMs: number[] = [], updateMs: number[] = [];
    await repeat(budget, async () => {
      beforeMs.push(timePrograms(executor, before, after));
      updateMs.push(timePrograms(executor, UPDATE, after));
      await between?.();
    });
    requireFinite(executor, before.length > 0);
    const ms = beforeMs.map((one, i) => (work.part === "accumulate" ? 0 : updateMs[i] ?? NaN) + one);
    return {
      timing: timingOf(ms),
      flops: costOf(plan, ...before, ...(work.part === "accumulate" ? [] : UPDATE)).flops,
      tokens: work.part === "update" ? undefined : work.sequences * work.sequenceLength,
      updateMs: timingOf(updateMs).medianMs,
      peakBytes: peakResidentBytes(),
      plannedBytes: plan.plannedBytes,
      steps: options.byStep ? times.groups(ms.length, options.peak, precision) : undefined,
    };
  } finally {
    executor.close();
  }
}

function planOf(work: TrainingWork, device: Device, precision: Precision): Plan {
  return planRun({
    ...targetOf(device),
    deterministic: false, // as training does where nothing else is asked for
    model: work.model,
    precision,
    sequenceLength: work.sequenceLength,
    deviceBatchSequences: work.sequences,
    training: { optim: work.optim, microbatches: 1 },
  });
}

function timePrograms(executor: Executor, names: readonly string[], after?: StepTimes["add"]): number {
  const started = performance.now();
  for (const name of names) executor.run(name, after && { after });
  executor.device.sync();
  return performance.now() - started;
}

/** Runs for a while, at most once through: caches, clocks and memory are then as in the middle of a run. */
function warmUp(executor: Executor, names: readonly string[]): void {
  const started = performance.now();
  for (const name of names) executor.run(name, { stop: () => performance.now() - started > WARM_UP_MS });
}

/** A time for numbers that went wrong would be worthless: denormals and NaN have speeds of their own. */
function requireFinite(executor: Executor, hasLoss: boolean): void {
  const name = hasLoss ? "loss" : "skip_weights";
  if (executor.read(name).every(Number.isFinite)) return;
  throw new RunError(
    `The timed work made ${name} that is not finite; run nanogpt check to find the wrong kernel`,
  );
}

/**
 * Parameters, gradients and tokens as large as in training. Nothing is zero, not even what starts at zero: processors
 * run faster on zeros.
 */
function fill(executor: Executor, work: TrainingWork): void {
  const specs = parameterSpecs(work.model);
  const block = blockOfValues();
  for (const spec of specs) {
    const scale = spec.rate === "embedLr" ? 1 : 1 / Math.sqrt(spec.shape[1] ?? 1);
    if (spec.rate === "scalarLr") executor.write(spec.name, startingValues(spec, 0, 0));
    else writeRepeated(executor, spec.name, spec, block.map((value) => value * scale));
    writeRepeated(executor, gradientName(spec.name), spec, block.map((value) => value * 1e-3));
  }
  executor.refresh();
  const rows = work.sequences * work.sequenceLength;
  const tokens = work.tokens ?? madeUpTokens(work.model, rows + 1);
  executor.write(INPUTS.tokens, tokens.subarray(0, rows));
  executor.write(INPUTS.targets, tokens.subarray(1, rows + 1));
  executor.write(UPDATE_INPUTS.scalars, stepScalars(work.schedule, work.optim, 0));
}

/** No token is eos, so that a sequence is one document. */
function madeUpTokens({ vocab, eos }: ModelConfig, count: number): Int32Array {
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  new RandomStream(1, 0).words(0, words);
  return Int32Array.from(words.subarray(0, count), (word) => word % Math.min(vocab, eos));
}

/** Numbers evenly spread over (-1, 1): drawn once, since drawing all parameters would take longer than the timing. */
function blockOfValues(): Float32Array {
  const words = new Uint32Array(1 << 18);
  new RandomStream(1, 1).words(0, words);
  return Float32Array.from(words, (word) => (word + 0.5) / 2 ** 31 - 1);
}

function writeRepeated(executor: Executor, name: string, spec: ParameterSpec, block: Float32Array): void {
  const count = elementCount(spec.shape);
  for (let first = 0; first < count; first += block.length) {
    executor.write(name, block.subarray(0, Math.min(block.length, count - first)), first);
  }
}
