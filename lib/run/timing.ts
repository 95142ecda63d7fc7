// Repeats a piece of work within a time budget and sums up how long it took, and reads how much memory and processor
// time the process has used. Knows nothing of what it times; leaves out no run as an outlier, and does no warm-up of its
// own. May import lib/base only.

import { cpuUsage } from "node:process";
import { InternalError } from "../base/errors.ts";

/** How long runs of the same work took, in milliseconds. */
export interface Timing {
  readonly runs: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** How often work is repeated. */
export interface Budget {
  /** No further run begins after this; there is always one. */
  readonly ms: number;
  readonly mostRuns: number;
}

/** Runs `round` once, and again until the budget is spent. */
export async function repeat(budget: Budget, round: () => void | Promise<void>): Promise<void> {
  const started = performance.now();
  for (let run = 0; run < budget.mostRuns; run++) {
    await round();
    if (performance.now() - started > budget.ms) return;
  }
}

/** Sums up the milliseconds of at least one run. */
export function timingOf(ms: readonly number[]): Timing {
  const sorted = [...ms].sort((a, b) => a - b);
  const [minMs, maxMs] = [sorted[0], sorted.at(-1)];
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (minMs === undefined || maxMs === undefined || low === undefined || high === undefined) {
    throw new InternalError("No run to sum up");
  }
  return { runs: sorted.length, medianMs: (low + high) / 2, minMs, maxMs };
}

/** Seconds that processors have spent on this process, all its threads together. */
export function cpuSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

/** Bytes of this process that were in memory at once at most, since the last reset; undefined where Linux does not say. */
export function peakResidentBytes(): number | undefined {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"));
    return line?.[1] ? Number(line[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Lets the peak start anew from what is in memory now. Where the system refuses, the peak stays that of the process. */
export function resetPeakResident(): void {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Older systems and sandboxes: the figure is then an upper bound.
  }
}
