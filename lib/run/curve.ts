// A run against a stored loss curve: training loss averaged over any 20 consecutive steps, and every validation loss,
// within the marks of the curve's file. Only a run that holds every step and validation of the curve can pass; a shorter
// one is incomplete, and its worst window is shown all the same. Judges by lib/base/compare.ts. Imports lib/run.

import { join } from "@std/path";
import { compare, type Comparison } from "../base/compare.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { isObject } from "../config/check.ts";
import { parseConfig } from "../config/load.ts";
import { type MetricsRecord, readMetrics } from "./metrics.ts";

/** Steps that the training loss is averaged over. */
const WINDOW_STEPS = 20;

/** Which of a curve's series a run is compared with. */
export type SeriesName = "bf16" | "fp32";

/** Losses of one run: of each step's training from step 1 on, and [step, loss] of each validation. */
export interface LossSeries {
  readonly trainLoss: readonly number[];
  readonly valLoss: readonly (readonly [number, number])[];
}

/** A stored loss curve, and how far from it a run may lie (absolute differences, in nats). */
export interface LossCurve extends Readonly<Record<SeriesName, LossSeries>> {
  readonly about: string;
  readonly marks: { readonly window20: number; readonly val: number };
}

/** Mean training loss of the steps from `first` to `last`. */
export interface CurveWindow {
  readonly first: number;
  readonly last: number;
  readonly comparison: Comparison;
}

/** What comparing a run with a curve found. */
export interface CurveResult {
  readonly verdict: "PASS" | "FAIL";
  readonly series: SeriesName;
  /** The window that lies furthest off, of those that run and curve have whole; none when there is none. */
  readonly worst: CurveWindow | undefined;
  /** Windows compared. */
  readonly windows: number;
  readonly validations: readonly { readonly step: number; readonly comparison: Comparison }[];
  /** What the run lacks; with any of these it is incomplete and fails. */
  readonly missing: readonly string[];
  readonly marks: LossCurve["marks"];
}

/** Compares the run in a folder with the curve in a file, by the run's own precision. UserError for a bad file. */
export function checkCurve(curveFile: string, runFolder: string): CurveResult {
  const curve = readCurve(curveFile);
  const series = seriesOfRun(join(runFolder, "config.json"));
  return compareCurve(readMetrics(join(runFolder, "metrics.jsonl")).records, curve, series);
}

/** The reference device computes in float64 whatever the precision says: float32's series is the nearer one. */
function seriesOfRun(path: string): SeriesName {
  const { device } = parseConfig(readJson(path, "the run's configuration"), path);
  return device.kind === "reference" ? "fp32" : device.precision;
}

/** Compares a run's records with a series of a curve. */
export function compareCurve(
  records: readonly MetricsRecord[],
  curve: LossCurve,
  series: SeriesName,
): CurveResult {
  const { marks, [series]: { trainLoss, valLoss } } = curve;
  const byStep = new Map(records.map((record) => [record.step, record]));
  const windows = compareWindows(byStep, trainLoss, marks.window20);
  // `>` keeps the first of equals; a window with a NaN has an infinite ratio.
  const worst = windows.reduce<CurveWindow | undefined>(
    (most, window) => most === undefined || window.comparison.ratio > most.comparison.ratio ? window : most,
    undefined,
  );
  const missing = missingSteps(records, byStep, trainLoss.length);
  const validations = valLoss.flatMap(([step, expected]) => {
    const actual = byStep.get(step)?.valLoss;
    if (actual !== undefined) {
      return [{ step, comparison: compare([actual], [expected], { absolute: marks.val }) }];
    }
    missing.push(`no validation loss at step ${step}`);
    return [];
  });
  const all = [...windows, ...validations];
  const pass = missing.length === 0 && windows.length > 0 && all.every(({ comparison }) => comparison.pass);
  return {
    verdict: pass ? "PASS" : "FAIL",
    series,
    worst,
    windows: windows.length,
    validations,
    missing,
    marks,
  };
}

/** Every window of WINDOW_STEPS steps that both have. */
function compareWindows(
  byStep: ReadonlyMap<number, MetricsRecord>,
  trainLoss: readonly number[],
  mark: number,
): CurveWindow[] {
  const windows: CurveWindow[] = [];
  for (let first = 1; first + WINDOW_STEPS - 1 <= trainLoss.length; first++) {
    const last = first + WINDOW_STEPS - 1;
    let [actual, expected, present] = [0, 0, 0];
    for (let step = first; step <= last; step++) {
      const record = byStep.get(step);
      if (record === undefined) break;
      present++;
      actual += record.trainLoss / WINDOW_STEPS;
      expected += (trainLoss[step - 1] ?? NaN) / WINDOW_STEPS;
    }
    if (present < WINDOW_STEPS) continue;
    windows.push({ first, last, comparison: compare([actual], [expected], { absolute: mark }) });
  }
  return windows;
}

/** How the run's steps differ from 1 to `steps`, each once. */
function missingSteps(
  records: readonly MetricsRecord[],
  byStep: ReadonlyMap<number, MetricsRecord>,
  steps: number,
): string[] {
  const problems: string[] = [];
  const absent = Array.from({ length: steps }, (_, i) => i + 1).filter((step) => !byStep.has(step));
  if (absent.length > 0) problems.push(`${absent.length} of ${steps} steps, the first is ${absent[0]}`);
  if (byStep.size !== records.length) {
    problems.push(`${records.length - byStep.size} steps stand there twice`);
  }
  const beyond = records.filter(({ step }) => step > steps || step < 1).length;
  if (beyond > 0) problems.push(`${beyond} steps that the curve of ${steps} steps does not have`);
  return problems;
}

/** The result as lines of text, verdict last. */
export function curveLines(result: CurveResult): string[] {
  const { series, worst, windows, validations, missing, marks, verdict } = result;
  const lines = [`Against the ${series} series`];
  if (worst === undefined) lines.push(`No ${WINDOW_STEPS} consecutive steps to compare`);
  else {
    const steps = `steps ${worst.first} to ${worst.last}`;
    lines.push(
      `Worst of ${windows} windows of ${WINDOW_STEPS} steps: ${steps}, ${
        figures(worst.comparison, marks.window20)
      }`,
    );
  }
  for (const { step, comparison } of validations) {
    lines.push(`Validation at step ${step}: ${figures(comparison, marks.val)}`);
  }
  if (missing.length > 0) lines.push(`Incomplete: ${missing.join("; ")}`);
  return [...lines, verdict];
}

/** "loss 5.4791, expected 5.4783, difference 0.0008, mark 0.01: pass" */
function figures({ worst, pass }: Comparison, mark: number): string {
  const number = (value: number | undefined) => (value ?? NaN).toFixed(4);
  return `loss ${number(worst?.actual)}, expected ${number(worst?.expected)}, ` +
    `difference ${number(worst?.difference)}, mark ${mark}: ${pass ? "pass" : "fail"}`;
}

// ---- the curve's file ----

/** A stored curve; UserError for a file that is none. */
export function readCurve(path: string): LossCurve {
  const value = readJson(path, "the loss curve");
  const wrong = (what: string) =>
    new UserError(`${path} is no loss curve: ${what}; see tests/golden/sample-curve.json`);
  if (!isObject(value)) throw wrong("it is no object");
  const { about = "", marks } = value;
  if (!isObject(marks)) throw wrong("it has no marks");
  const { window20, val } = marks;
  if (!isMark(window20) || !isMark(val)) throw wrong("marks.window20 and marks.val must be positive numbers");
  const series = (name: SeriesName) => parseSeries(value[name], (what) => wrong(`${name}.${what}`));
  return { about: String(about), marks: { window20, val }, bf16: series("bf16"), fp32: series("fp32") };
}

function readJson(path: string, what: string): unknown {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    const found = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
    throw new UserError(`Cannot read ${what} ${path}: ${found}`);
  }
}

function parseSeries(value: unknown, wrong: (what: string) => UserError): LossSeries {
  const { trainLoss, valLoss } = isObject(value) ? value : {};
  if (!isNumbers(trainLoss) || trainLoss.length < WINDOW_STEPS) {
    throw wrong(`trainLoss is no list of at least ${WINDOW_STEPS} numbers`);
  }
  if (!Array.isArray(valLoss) || valLoss.length === 0) throw wrong("valLoss is no list of validations");
  return {
    trainLoss,
    valLoss: valLoss.map((pair): [number, number] => {
      const [step = NaN, loss = NaN] = isNumbers(pair) ? pair : [];
      if (Number.isSafeInteger(step) && Number.isFinite(loss)) return [step, loss];
      throw wrong(`valLoss has ${JSON.stringify(pair)}, expected [step, loss]`);
    }),
  };
}

function isMark(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value < Infinity;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((number) => typeof number === "number");
}
