// What a run writes down as it goes: metrics.jsonl, one JSON object a step, samples.jsonl, one a sample of text, and
// log.txt, lines in the speedrun's own form. JSON has no NaN and no infinities: they are written as null and read back
// as NaN. A half-written last line, left by a killed run, is dropped on resuming and skipped on reading. Keeps no clock.
// May import lib/base and lib/config.

import { messageOf, RunError, UserError } from "../base/errors.ts";
import { replaceFile, writeAll } from "../base/files.ts";
import { isObject } from "../config/check.ts";

/** One step of training. `step` counts updates done, so the first record's is 1. */
export interface MetricsRecord {
  step: number;
  /** Mean cross-entropy of the step's tokens before its update, in nats. */
  trainLoss: number;
  /** After the update, when taken. */
  valLoss?: number;
  lrScale: number;
  momentum: number;
  /** Of its stepMs. */
  tokensPerSecond: number;
  /** Share of the machine's measured peak; null where none is measured. */
  peakShare: number | null;
  /**
   * Milliseconds of training until the step was done, from when the one before was, or from its own begin after a pause. A
   * GPU works on while the host writes records and begins the next step: that is in here. All together they are the wall
   * time of training.
   */
  stepMs: number;
  /** Milliseconds that the host spent on the step's parts; on a GPU to enqueue them, and in `wait` for their end. */
  phaseMs: Readonly<Record<string, number>>;
}

/** Text that the model wrote after a step. */
export interface SampleRecord {
  readonly step: number;
  readonly text: string;
}

/** A file with a record a line, each of a step, of a run under way. */
class RecordLog<T extends { readonly step: number }> {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  /**
   * Opens the file for appending, made if it is not there, after dropping the records beyond `lastStep` (0: all) and
   * lines that are none. RunError where it cannot be written.
   */
  constructor(path: string, lastStep: number, parse: (line: string) => T | undefined) {
    this.#path = path;
    this.#file = written(path, () => {
      truncate(path, (line) => (parse(line)?.step ?? Infinity) <= lastStep);
      return Deno.openSync(path, { append: true, create: true });
    });
  }

  /** Appends one record. RunError when the disk fails. */
  append(record: T): void {
    writeLine(this.#path, this.#file, JSON.stringify(record));
  }

  close(): void {
    this.#file.close();
  }
}

/** metrics.jsonl of a run under way. */
export class MetricsLog extends RecordLog<MetricsRecord> {
  constructor(path: string, lastStep: number) {
    super(path, lastStep, parseMetrics);
  }
}

/** samples.jsonl of a run under way. */
export class SampleLog extends RecordLog<SampleRecord> {
  constructor(path: string, lastStep: number) {
    super(path, lastStep, parseSample);
  }
}

/** log.txt of a run under way; a resumed run goes on where it ended. */
export class TextLog {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  /** Opens the file for appending, made if it is not there. RunError where it cannot be written. */
  constructor(path: string) {
    this.#path = path;
    this.#file = written(path, () => Deno.openSync(path, { append: true, create: true }));
  }

  /** Appends a line, or several. RunError when the disk fails. */
  line(text: string): void {
    writeLine(this.#path, this.#file, text);
  }

  close(): void {
    this.#file.close();
  }
}

/** Where a run stands, for its log lines: training time excludes evaluation, checkpoints and start-up. */
export interface LogPosition {
  readonly step: number;
  readonly steps: number;
  readonly trainMs: number;
  /** Steps that `trainMs` was measured over; a resumed run counts from where it went on. */
  readonly timedSteps: number;
}

/** "step:125/1875 val_loss:3.9123 train_time:20069ms step_avg:160.55ms" */
export function validationLine(position: LogPosition, loss: number): string {
  return lossLine("val_loss", position, loss);
}

/** "step:125/1875 train_loss:3.9123 train_time:20069ms step_avg:160.55ms" */
export function trainingLine(position: LogPosition, loss: number): string {
  return lossLine("train_loss", position, loss);
}

function lossLine(name: string, { step, steps, trainMs, timedSteps }: LogPosition, loss: number): string {
  const average = timedSteps > 0 ? trainMs / timedSteps : 0;
  const time = `train_time:${trainMs.toFixed(0)}ms step_avg:${average.toFixed(2)}ms`;
  return `step:${step}/${steps} ${name}:${loss.toFixed(4)} ${time}`;
}

/** The records of a metrics.jsonl in the order of its lines, and how many lines were none. UserError without a file. */
export function readMetrics(path: string): { records: MetricsRecord[]; malformed: number } {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    const found = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
    throw new UserError(`Cannot read the metrics ${path}: ${found}; give the folder of a run`);
  }
  const lines = linesOf(text);
  const records = lines.map(parseMetrics).filter((record) => record !== undefined);
  return { records, malformed: lines.length - records.length };
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Keeps some lines byte for byte; other lines go. Nothing is written if none goes. */
function truncate(path: string, keeps: (line: string) => boolean): void {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  const kept = linesOf(text).filter(keeps);
  const shortened = kept.map((line) => line + "\n").join("");
  if (shortened === text) return;
  replaceFile(path, shortened);
}

/** Does what writes `path`; RunError, with what to do, when the disk refuses. */
export function written<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new RunError(`Cannot write ${path}: ${messageOf(error)}; make room or make the folder writable`);
  }
}

/** One write a line, so that a reader or a crash sees a line whole or, at worst, cut at the end of the file. */
function writeLine(path: string, file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text + "\n");
  written(path, () => writeAll(file, bytes));
}

// ---- one line of metrics.jsonl and samples.jsonl ----

/** The record in a line; undefined for a line that holds none. Keys beyond a record's own are passed over. */
export function parseMetrics(line: string): MetricsRecord | undefined {
  const fields = parseFields(line);
  if (fields === undefined) return undefined;
  const { step, valLoss, peakShare, phaseMs } = fields;
  const phases = parsePhases(phaseMs);
  if (!isStep(step) || phases === undefined) return undefined;
  const [trainLoss, lrScale, momentum, tokensPerSecond, stepMs] = [
    parseNumber(fields["trainLoss"]),
    parseNumber(fields["lrScale"]),
    parseNumber(fields["momentum"]),
    parseNumber(fields["tokensPerSecond"]),
    parseNumber(fields["stepMs"]),
  ];
  if (trainLoss === undefined || lrScale === undefined || momentum === undefined) return undefined;
  if (tokensPerSecond === undefined || stepMs === undefined) return undefined;
  if (peakShare !== null && typeof peakShare !== "number") return undefined;
  const record = { step, trainLoss, lrScale, momentum, tokensPerSecond, peakShare, stepMs, phaseMs: phases };
  if (valLoss === undefined) return record;
  const validation = parseNumber(valLoss);
  return validation === undefined ? undefined : { ...record, valLoss: validation };
}

/** The sample in a line; undefined for a line that holds none. */
export function parseSample(line: string): SampleRecord | undefined {
  const { step, text } = parseFields(line) ?? {};
  return isStep(step) && typeof text === "string" ? { step, text } : undefined;
}

function parseFields(line: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

function isStep(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A number as it was written: null stands for one that JSON has no word for. */
function parseNumber(value: unknown): number | undefined {
  if (value === null) return NaN;
  return typeof value === "number" ? value : undefined;
}

function parsePhases(value: unknown): Record<string, number> | undefined {
  if (!isObject(value)) return undefined;
  const phases: Record<string, number> = {};
  for (const name in value) {
    const number = parseNumber(value[name]);
    if (number === undefined) return undefined;
    phases[name] = number;
  }
  return phases;
}
