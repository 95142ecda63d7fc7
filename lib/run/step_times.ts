// Where the time of plan steps goes: times collected by the executor's hook, summed over steps of the same op and
// shapes, beside the least time that the machine's measured peaks allow. Runs nothing and prints nothing. May import
// the plan and device types.

import type { DevicePeak } from "../../ffi/device.ts";
import type { Precision } from "./devices.ts";
import { nameOf, shapesOf } from "../plan/text.ts";
import type { Step } from "../plan/plan.ts";

/** All steps of one op and shape in one run of the work. */
export interface StepGroup {
  readonly op: string;
  readonly phase: string;
  /** Types of outputs and inputs, scratch left out. */
  readonly shapes: string;
  readonly count: number;
  /** Mean over the runs, of all `count` steps together. */
  readonly ms: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /**
   * The larger of FLOPs at the measured peak and bytes at the measured memory bandwidth; 0 where none was measured. What
   * stays in a cache is not bound by memory, so a share above 1 is possible.
   */
  readonly floorMs: number;
  readonly floorShare: number;
  /** ms - floorMs. */
  readonly lostMs: number;
}

/** Collects the time of each step over any number of runs. */
export class StepTimes {
  readonly #ms = new Map<Step, number>();

  /** To be given to the executor. */
  readonly add = (step: Step, ms: number): void => {
    this.#ms.set(step, (this.#ms.get(step) ?? 0) + ms);
  };

  /** The groups of steps of `runs` runs, most time lost first. */
  groups(runs: number, peak: DevicePeak | undefined, precision: Precision): StepGroup[] {
    const sums = new Map<string, Sum>();
    for (const [step, ms] of this.#ms) {
      const key = `${step.phase} ${nameOf(step)} ${shapesOf(step)}`;
      const sum = sums.get(key) ?? { step, count: 0, ms: 0, flops: 0, bytes: 0 };
      sum.count++;
      sum.ms += ms / runs;
      sum.flops += step.flops;
      sum.bytes += step.bytes;
      sums.set(key, sum);
    }
    const flopsPerSecond = peak ? peakFlops(peak, precision) : Infinity;
    return [...sums.values()].map((sum) => groupOf(sum, flopsPerSecond, peak?.bytesPerSecond ?? Infinity))
      .sort((a, b) => b.lostMs - a.lostMs);
  }
}

/** The measured peak of a precision, in FLOP/s. */
export function peakFlops(peak: DevicePeak, precision: Precision): number {
  return precision === "bf16" ? peak.bf16FlopsPerSecond : peak.f32FlopsPerSecond;
}

interface Sum {
  readonly step: Step;
  count: number;
  ms: number;
  flops: number;
  bytes: number;
}

function groupOf(
  { step, count, ms, flops, bytes }: Sum,
  flopsPerSecond: number,
  bytesPerSecond: number,
): StepGroup {
  const floorMs = 1000 * Math.max(flops / flopsPerSecond, bytes / bytesPerSecond);
  return {
    op: nameOf(step),
    phase: step.phase,
    shapes: shapesOf(step),
    count,
    ms,
    gflops: flops / ms / 1e6,
    gigabytesPerSecond: bytes / ms / 1e6,
    floorMs,
    floorShare: floorMs / ms,
    lostMs: ms - floorMs,
  };
}
