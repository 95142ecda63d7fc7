// For tests of lib/view: folders with runs whose numbers are made up, and logs in the speedrun's form. Not a test itself.

import { join } from "@std/path";
import { configText, resolveConfig } from "../../lib/config/load.ts";
import type { MetricsRecord } from "../../lib/run/metrics.ts";

/** A made-up record: the loss falls with the step unless given. */
export function record(step: number, change: Partial<MetricsRecord> = {}): MetricsRecord {
  return {
    step,
    trainLoss: 3 + 7 / step,
    lrScale: 1,
    momentum: 0.9,
    tokensPerSecond: 1000,
    peakShare: 0.5,
    stepMs: 250,
    phaseMs: { data: 1, accumulate: 200, update: 49 },
    ...change,
  };
}

/** Runs `body` with a folder that is removed afterwards. */
export async function inFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt view " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A line of metrics.jsonl. */
export function line(record: MetricsRecord): string {
  return JSON.stringify(record) + "\n";
}

/** Writes a run into a folder below `parent`; returns its path. Its configuration is `tiny` with these --set. */
export function putRun(
  parent: string,
  name: string,
  records: readonly MetricsRecord[],
  sets: readonly string[] = [],
): string {
  const folder = join(parent, name);
  Deno.mkdirSync(folder);
  Deno.writeTextFileSync(join(folder, "config.json"), configText(resolveConfig({ preset: "tiny", sets })));
  Deno.writeTextFileSync(join(folder, "metrics.jsonl"), records.map(line).join(""));
  return folder;
}
