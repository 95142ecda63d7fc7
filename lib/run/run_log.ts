// The files a run writes as it goes: config.json at its start, then log.txt, metrics.jsonl and, where text is sampled,
// samples.jsonl. Appends; formats no metrics (metrics.ts does) and keeps nothing of them in memory. A write that fails
// ends the run with what to do about it. May import lib/base, lib/config, lib/run and @std/path.

import { join } from "@std/path";
import { UserError } from "../base/errors.ts";
import { replaceFile } from "../base/files.ts";
import { VERSION } from "../base/version.ts";
import { configText, type ResolvedConfig } from "../config/load.ts";
import { exists, RUN_FILES } from "./folder.ts";
import {
  type LogPosition,
  MetricsLog,
  type MetricsRecord,
  readMetrics,
  SampleLog,
  TextLog,
  trainingLine,
  validationLine,
  written,
} from "./metrics.ts";

/**
 * Keeps a run's folder to this run until it is disposed of; UserError if another run has it. The lock (flock) is on the
 * folder itself, leaves no file, and goes with the process however that ends.
 */
export function lockFolder(folder: string): Disposable {
  const handle = Deno.openSync(folder, { read: true });
  let locked: boolean;
  try {
    locked = handle.tryLockSync(true);
  } catch {
    locked = true; // a file system without locks: the run goes on without
  }
  if (locked) return { [Symbol.dispose]: () => handle.close() };
  handle.close();
  throw new UserError(
    `Another nanogpt is training in ${folder}; wait for its end or stop it, or choose another folder with --out`,
  );
}

/** The open log files of a run. */
export class RunLog implements Disposable {
  readonly #steps: number;
  readonly #path: string;
  readonly #text: TextLog;
  #metrics: MetricsLog;
  readonly #samples: SampleLog | undefined;
  /** The record of the step that the run goes on after, if there is one. */
  readonly resumed: MetricsRecord | undefined;

  /**
   * Writes config.json and opens the logs for a run that goes on after `done` steps (0: starts). Metrics and
   * samples beyond that step are dropped. RunError when the disk fails.
   */
  constructor(folder: string, resolved: ResolvedConfig, done: number) {
    this.#steps = resolved.config.schedule.steps;
    writeWhole(join(folder, RUN_FILES.config), configText(resolved));
    this.#path = join(folder, RUN_FILES.metrics);
    this.#metrics = new MetricsLog(this.#path, done);
    this.resumed = done > 0 ? readMetrics(this.#path).records.find(({ step }) => step === done) : undefined;
    const samples = join(folder, RUN_FILES.samples);
    const sampled = resolved.config.run.sampleEvery > 0 || exists(samples);
    this.#samples = sampled ? new SampleLog(samples, done) : undefined;
    this.#text = new TextLog(join(folder, RUN_FILES.log));
    const { preset, device } = resolved.config;
    this.#text.line(
      `nanogpt ${VERSION} preset:${preset} precision:${device.precision} from step:${done}/${this.#steps} ` +
        `(train_time leaves out start-up, validation, samples and checkpoints)`,
    );
  }

  /** The metrics of a step, with its validation if there was one. */
  record(record: MetricsRecord): void {
    this.#metrics.append(record);
  }

  /** A step's line. */
  training(record: MetricsRecord, trainMs: number, timedSteps: number): void {
    this.#text.line(trainingLine(this.#position(record.step, trainMs, timedSteps), record.trainLoss));
  }

  /** Replaces the last record by one of the same step. */
  amend(record: MetricsRecord): void {
    this.#metrics.close();
    this.#metrics = new MetricsLog(this.#path, record.step - 1);
    this.#metrics.append(record);
  }

  /** A validation; returns its line. */
  validation(step: number, loss: number, trainMs: number, timedSteps: number): string {
    const line = validationLine(this.#position(step, trainMs, timedSteps), loss);
    this.#text.line(line);
    return line;
  }

  /** Text that the model wrote. */
  sample(step: number, text: string): void {
    this.line(`step:${step}/${this.#steps} sample:${JSON.stringify(text)}`);
    this.#samples?.append({ step, text });
  }

  /** Anything else worth keeping. */
  line(text: string): void {
    this.#text.line(text);
  }

  [Symbol.dispose](): void {
    this.#metrics.close();
    this.#samples?.close();
    this.#text.close();
  }

  #position(step: number, trainMs: number, timedSteps: number): LogPosition {
    return { step, steps: this.#steps, trainMs, timedSteps };
  }
}

/** Writes a small file so that under its name it is always whole. RunError when the disk fails. */
export function writeWhole(path: string, text: string): void {
  written(path, () => replaceFile(path, text));
}
