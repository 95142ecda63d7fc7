// Run folders for the tests of views, made without training: a configuration, records of a plausible course, samples.
// Not a test itself.

import { join } from "@std/path";
import { configText, resolveConfig } from "../../lib/config/load.ts";
import type { MetricsRecord } from "../../lib/run/metrics.ts";
import { momentumAt, rateAt } from "../../lib/optim/schedule.ts";
import { randomBelow } from "../data/helpers.ts";

/** What a made run holds. */
export interface MadeRun {
  /** How many records; of the schedule's steps, if that many are given. */
  readonly records: number;
  readonly steps?: number;
  readonly samples?: readonly { readonly step: number; readonly text: string }[];
  readonly sets?: readonly string[];
  readonly phase?: string;
}

/** Makes the folder of a run. */
export function makeRun(
  folder: string,
  { records, steps = records, samples = [], sets = [], phase }: MadeRun,
): void {
  const resolved = resolveConfig({ preset: "tiny", sets: [`schedule.steps=${steps}`, ...sets] });
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(join(folder, "config.json"), configText(resolved));
  const lines = madeRecords(records, steps, phase).map((record) => JSON.stringify(record) + "\n");
  Deno.writeTextFileSync(join(folder, "metrics.jsonl"), lines.join(""));
  Deno.writeTextFileSync(
    join(folder, "samples.jsonl"),
    samples.map((sample) => JSON.stringify(sample) + "\n").join(""),
  );
  Deno.writeTextFileSync(join(folder, "log.txt"), `step:${records}/${steps} train_loss:1.0000\n`);
}

/** Records of a loss that falls with noise, validated every 100 steps. */
export function madeRecords(count: number, steps: number = count, phase = "accumulate"): MetricsRecord[] {
  const { optim, schedule } = resolveConfig({ preset: "tiny", sets: [`schedule.steps=${steps}`] }).config;
  const below = randomBelow(7);
  return Array.from({ length: count }, (_, t) => {
    const stepMs = 100 + below(50);
    const loss = 3 + 7.8 * Math.exp(-t / (count / 8)) + below(1000) / 2000;
    return {
      step: t + 1,
      trainLoss: loss,
      ...((t + 1) % 100 === 0 && { valLoss: loss + 0.1 }),
      lrScale: rateAt(schedule, t),
      momentum: momentumAt(optim, t),
      tokensPerSecond: 256 / stepMs * 1000,
      peakShare: 10 / stepMs,
      stepMs,
      phaseMs: { data: 1, [phase]: stepMs - 11, update: 10 },
    };
  });
}
