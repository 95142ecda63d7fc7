// From a run as its files tell it to what a page shows of it: rows few enough to send and draw, the configuration as
// text, memory by use from the plan, the end of the log. Keeps the lowest and highest value of every stretch of every
// column. Writes nothing. May import lib/base, lib/config, lib/plan, lib/run and its neighbours.

import { join } from "@std/path";
import type { Config } from "../config/schema.ts";
import { KEYS } from "../config/schema.ts";
import { reportPlan } from "../plan/report.ts";
import { RUN_FILES } from "../run/folder.ts";
import { planTraining } from "../run/trainer.ts";
import { downsample } from "./downsample.ts";
import type { ConfigEntry, Numbers, RunMeans, RunTable, RunView, ScheduleView } from "./page_model.ts";
import type { RunData } from "./run_data.ts";

/** A run of no more records is sent whole. */
const MOST_ROWS = 4000;
/** Points that a column of a longer run keeps: two for each stretch, of which a wide screen shows about as many. */
const COLUMN_POINTS = 800;
/** Stretches of a longer run whose mean training loss is kept. */
const MOST_MEANS = 1000;
/** Digits of a number that are sent: more than any reading of it shows. */
const DIGITS = 7;
const MOST_SAMPLES = 20;
const LOG_BYTES = 8192;

/** What a page shows of a run. `live`: whether it is being trained. */
export function viewRun(run: RunData, live: boolean): RunView {
  const { columns, config } = run;
  const { optim, schedule, data } = config?.config ?? {};
  return {
    name: run.name,
    live,
    steps: run.steps ?? null,
    tokensPerStep: data ? data.batchSequences * data.sequenceLength : null,
    records: columns.step.length,
    table: tableOf(run, keptRows(run)),
    means: meansOf(run),
    schedule: schedule && optim ? scheduleOf(schedule, optim) : null,
    config: configEntries(run),
    memory: config ? memoryOf(config.config) : [],
    samples: latestSamples(run),
    notes: [...run.notes],
    log: logEnd(run),
  };
}

/** The rows of these records. */
export function tableOf(run: RunData, rows: ArrayLike<number>): RunTable {
  const { columns, phaseMs } = run;
  return {
    step: Array.from(rows, (i) => columns.step[i] ?? 0),
    seconds: pick(columns.seconds, rows),
    trainLoss: pick(columns.trainLoss, rows),
    valLoss: pick(columns.valLoss, rows),
    tokensPerSecond: pick(columns.tokensPerSecond, rows),
    peakShare: pick(columns.peakShare, rows),
    stepMs: pick(columns.stepMs, rows),
    phases: [...phaseMs].map(([name, ms]) => ({ name, ms: pick(ms, rows) })),
  };
}

/** The records to send: all of them, or of a long run the first, the last, and every column's peaks and dips. */
function keptRows({ columns, phaseMs }: RunData): ArrayLike<number> {
  const { step } = columns;
  if (step.length <= MOST_ROWS) return Array.from(step, (_, i) => i);
  const shown = [
    columns.trainLoss,
    columns.valLoss,
    columns.tokensPerSecond,
    columns.peakShare,
    columns.stepMs,
    ...phaseMs.values(),
  ];
  const kept = new Set([0, step.length - 1]);
  for (const column of shown) {
    for (const i of downsample(step, column, COLUMN_POINTS)) kept.add(i);
  }
  return Uint32Array.from(kept).sort();
}

/** The means of stretches of a run that is too long to be sent whole; null for another. */
export function meansOf({ columns }: RunData): RunMeans | null {
  const { step, seconds, trainLoss } = columns;
  if (step.length <= MOST_ROWS) return null;
  const every = stretchOf(step.length);
  const last = Array.from(
    { length: Math.ceil(step.length / every) },
    (_, k) => Math.min((k + 1) * every, step.length) - 1,
  );
  const mean = (_: number, k: number) => {
    const values = trainLoss.subarray(k * every, (k + 1) * every).filter(Number.isFinite);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    every,
    step: last.map((i) => step[i] ?? 0),
    seconds: pick(seconds, last),
    trainLoss: rounded(last.map(mean)),
  };
}

/** Records in a stretch of a run of so many. */
function stretchOf(records: number): number {
  return Math.max(1, Math.ceil(records / MOST_MEANS));
}

/** Whether the means have changed by a whole stretch since the run had `before` records. */
export function fillsStretch(before: number, records: number): boolean {
  return Math.floor(before / stretchOf(before)) !== Math.floor(records / stretchOf(before));
}

function pick(column: ArrayLike<number>, rows: ArrayLike<number>): Numbers {
  return rounded(Array.from(rows, (i) => column[i] ?? NaN));
}

function rounded(values: readonly number[]): Numbers {
  return values.map((value) => Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : null);
}

/** The samples a page has room for, the newest last. */
export function latestSamples(run: RunData): RunView["samples"] {
  return run.samples.slice(-MOST_SAMPLES).map(({ step, text }) => ({ step, text }));
}

function scheduleOf(schedule: Config["schedule"], optim: Config["optim"]): ScheduleView {
  const { momentumStart, momentumEnd, momentumWarmupSteps } = optim;
  return { ...schedule, momentumStart, momentumEnd, momentumWarmupSteps };
}

function configEntries({ config }: RunData): ConfigEntry[] {
  if (config === undefined) return [];
  const entry = (key: string, value: unknown) => ({
    key,
    value: String(value),
    source: config.sources[key] ?? "",
  });
  return [
    entry("preset", config.config.preset),
    ...[...KEYS].map(([path, { section, name }]) =>
      entry(path, new Map<string, unknown>(Object.entries(config.config[section])).get(name))
    ),
  ];
}

/** Planned bytes by use; none where this program cannot plan the configuration. */
function memoryOf(config: Config): RunView["memory"] {
  try {
    const { data: { batchSequences, deviceBatchSequences }, device } = config;
    const kind = device.kind === "auto" ? "cpu" : device.kind; // whichever it was: the bytes are the same
    const { bytesByUse } = reportPlan(planTraining(config, { kind }), batchSequences / deviceBatchSequences);
    return bytesByUse.map(({ use, bytes }) => ({ use, bytes }));
  } catch {
    return [];
  }
}

/** The last whole lines of the run's log.txt; empty where there is none, as beside an imported log. */
export function logEnd(run: RunData): string {
  try {
    using file = Deno.openSync(join(run.path, RUN_FILES.log), { read: true });
    const { size } = file.statSync();
    const bytes = new Uint8Array(Math.min(size, LOG_BYTES));
    file.seekSync(size - bytes.length, Deno.SeekMode.Start);
    const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
    return size > bytes.length ? text.slice(text.indexOf("\n") + 1) : text;
  } catch {
    return "";
  }
}
