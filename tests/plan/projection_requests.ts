// What the tests of the projection share: requests from presets, the record's report and sizes, and looking up a row of it.
// For tests only.

import { assert, assertEquals } from "@std/assert";
import { PRESETS } from "../../lib/config/presets.ts";
import type { PresetName } from "../../lib/config/schema.ts";
import {
  project,
  type ProjectedRow,
  type Projection,
  type ProjectionRequest,
  sequencesPerRank,
} from "../../lib/plan/projection.ts";
import { targetOf } from "../../lib/plan/targets.ts";
import { planRun } from "../../lib/run/programs.ts";

/** What a preset is projected with onto a target, whose plan is its first rank's. */
export function requestOf(
  preset: PresetName,
  name: string,
  { kind = "cpu", softcap = 30, deterministic = true }: {
    readonly kind?: "cpu" | "cuda";
    readonly softcap?: number;
    readonly deterministic?: boolean;
  } = {},
): ProjectionRequest {
  const { model: { softcap: _, ...others }, optim, data, schedule } = PRESETS[preset].values;
  const model = { ...others, softcap };
  const { sequenceLength, deviceBatchSequences, batchSequences } = data;
  const target = targetOf(name);
  const microbatches = sequencesPerRank(data, target) / deviceBatchSequences;
  const rank = { rank: 0, ranks: target.ranks };
  const training = { optim, microbatches: batchSequences / deviceBatchSequences, rank };
  const sizes = { model, sequenceLength, deviceBatchSequences };
  const plan = planRun({ ...sizes, kind, deterministic, precision: "bf16", training, evaluate: true });
  return { ...sizes, plan, target, microbatches, nsSteps: optim.nsSteps, steps: schedule.steps };
}

/** The record on 8 H100s, as the cpu's plan has its steps. */
export const RECORD_REQUEST = requestOf("speedrun-2024-11-19", "h100x8");
export const REPORT = project(RECORD_REQUEST);

/** The record's sizes once more, for numbers worked out here. */
export const [N, C, V, L] = [65536, 768, 50304, 12];
export const S = 2 * N * C;
export const H100 = RECORD_REQUEST.target.machine;

/** The one row of this name and these shapes. */
export function rowOf(
  { rows }: Projection,
  name: string,
  shapes: string,
  phase?: ProjectedRow["phase"],
): ProjectedRow {
  const found = rows.filter((row) =>
    row.name === name && row.shapes === shapes && (phase ?? row.phase) === row.phase
  );
  assertEquals(found.length, 1, `${name} ${shapes}`);
  return found[0] as ProjectedRow;
}

/** Rounding of sums of products of whole numbers below 2^53: nothing but the order of a few additions. */
export const EXACT = 1e-9;

/** Fails unless two numbers differ by at most a share of the second. */
export function assertNear(actual: number, expected: number, share: number, what = ""): void {
  assert(
    Math.abs(actual - expected) <= share * Math.abs(expected),
    `${what}: ${actual}, expected ${expected}`,
  );
}
