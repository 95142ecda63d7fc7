// A run as its files tell it: a folder that training made, finished or under way, or a log in the speedrun's form. What
// cannot be understood in a file is left out with a note; only a path that holds no run at all is an error. Opens files
// for reading only and never waits. May import lib/base, lib/config, lib/run, its neighbours and @std/path.

import { basename, join, resolve } from "@std/path";
import { messageOf, UserError } from "../base/errors.ts";
import { resolveConfig, type ResolvedConfig } from "../config/load.ts";
import { RUN_FILES } from "../run/folder.ts";
import { parseMetrics, parseSample, type SampleRecord } from "../run/metrics.ts";
import { ColumnsBuilder, type RunColumns } from "./columns.ts";
import { LogImporter } from "./import_log.ts";
import { LineTail } from "./line_tail.ts";

export type { RunColumns };

/** A run's configuration: resolved values, and where each came from. */
export type RunConfig = ResolvedConfig;

/** One run as its files tell it, or as an imported log does. */
export interface RunData {
  /** Base name of the folder or file. */
  readonly name: string;
  readonly path: string;
  /** From config.json; an imported log has none. */
  readonly config: RunConfig | undefined;
  /** Steps that the run is to do; undefined: nothing says. */
  readonly steps: number | undefined;
  readonly columns: RunColumns;
  /** Milliseconds of a step by phase, as long as the columns. */
  readonly phaseMs: ReadonlyMap<string, Float64Array>;
  readonly samples: readonly SampleRecord[];
  /** What a reader should know: lines left out, a configuration that cannot be read. */
  readonly notes: readonly string[];
}

/**
 * The run at `path`: a run's folder, or a log file in the speedrun's form. UserError where there is none; a folder that
 * has a configuration but no metrics yet is a run without records.
 */
export function readRun(path: string): RunData {
  const source = openSource(path);
  source.read(true);
  if (!source.isRun) throw source.noRun();
  return source.data();
}

/** Whether there is a run at `path`. UserError where that cannot be told. */
export function holdsRunData(path: string): boolean {
  const source = openSource(path);
  source.read(true);
  return source.isRun;
}

/** A run that is read on as it grows. */
export class RunFollower {
  readonly #source: Source;
  #isFirst = true;

  /** UserError where there is neither folder nor file; one that holds no run yet is waited for. */
  constructor(path: string) {
    this.#source = openSource(path);
  }

  /**
   * The run now; undefined: nothing new since the last call. Reads only what was appended; where a file was replaced
   * or cut off, as on resuming, it is read anew. A line that is still being written waits for its end.
   */
  poll(): RunData | undefined {
    const changed = this.#source.read(false);
    if (!this.#source.isRun || (!changed && !this.#isFirst)) return undefined;
    this.#isFirst = false;
    return this.#source.data();
  }
}

/** What a run is read from. */
interface Source {
  /** Whether there is a run in what was read. */
  readonly isRun: boolean;
  /** The error to throw where there is none. */
  noRun(): UserError;
  /** Reads what is new, with `atEnd` also a last line without its end; returns whether there was anything. */
  read(atEnd: boolean): boolean;
  data(): RunData;
}

function openSource(path: string): Source {
  let isFolder: boolean;
  try {
    isFolder = Deno.statSync(path).isDirectory;
  } catch (error) {
    const found = error instanceof Deno.errors.NotFound ? "there is nothing" : messageOf(error);
    throw new UserError(`Cannot read a run at ${path}: ${found}; give the folder of a run, or a log file`);
  }
  return isFolder ? new FolderSource(path) : new LogSource(path);
}

/** A run's folder. */
class FolderSource implements Source {
  readonly #path: string;
  readonly #metrics: LineTail;
  readonly #samplesFile: LineTail;
  #config: ConfigFile;
  #columns = new ColumnsBuilder();
  #samples: SampleRecord[] = [];
  #seconds = 0;
  #malformed = 0;
  #malformedSamples = 0;

  constructor(path: string) {
    this.#path = path;
    this.#metrics = new LineTail(join(path, RUN_FILES.metrics));
    this.#samplesFile = new LineTail(join(path, RUN_FILES.samples));
    this.#config = readConfig(join(path, RUN_FILES.config));
  }

  get isRun(): boolean {
    return this.#config.changed !== null || changedAt(this.#metrics.path) !== null;
  }

  noRun(): UserError {
    return new UserError(
      `${this.#path} holds no run: expected ${RUN_FILES.config} or ${RUN_FILES.metrics} in it; give the folder of a run`,
    );
  }

  read(atEnd: boolean): boolean {
    const isNewConfig = this.#rereadConfig();
    const metrics = this.#metrics.read();
    if (metrics.restarted) {
      this.#columns = new ColumnsBuilder();
      [this.#seconds, this.#malformed] = [0, 0];
    }
    const lines = atEnd ? [...metrics.lines, metrics.rest] : metrics.lines;
    for (const line of lines) if (line !== "") this.#add(line);
    const samples = this.#readSamples(atEnd);
    return isNewConfig || metrics.restarted || lines.length > 0 || samples;
  }

  data(): RunData {
    return {
      name: basename(resolve(this.#path)),
      path: this.#path,
      config: this.#config.config,
      steps: this.#config.config?.config.schedule.steps,
      columns: this.#columns.columns(),
      phaseMs: this.#columns.phaseMs(),
      samples: this.#samples,
      notes: [
        ...this.#config.notes,
        ...leftOut(this.#malformed, RUN_FILES.metrics, "records"),
        ...leftOut(this.#malformedSamples, RUN_FILES.samples, "samples"),
      ],
    };
  }

  /** A new configuration has another number of tokens a step: all is read anew. */
  #rereadConfig(): boolean {
    const path = join(this.#path, RUN_FILES.config);
    if (changedAt(path) === this.#config.changed) return false;
    this.#config = readConfig(path);
    this.#metrics.rewind();
    this.#samplesFile.rewind();
    return true;
  }

  #add(line: string): void {
    const record = parseMetrics(line);
    if (record === undefined) {
      this.#malformed++;
      return;
    }
    if (record.step <= this.#columns.lastStep) {
      this.#columns.cutFrom(record.step);
      this.#seconds = this.#columns.lastSeconds;
    }
    if (!Number.isNaN(record.stepMs)) this.#seconds += record.stepMs / 1000;
    const { peakShare, phaseMs, ...columns } = record;
    this.#columns.add({
      ...columns,
      peakShare: peakShare ?? NaN,
      seconds: this.#seconds,
      tokens: record.step * this.#tokensPerStep,
    }, phaseMs);
  }

  get #tokensPerStep(): number {
    const data = this.#config.config?.config.data;
    return data === undefined ? NaN : data.batchSequences * data.sequenceLength;
  }

  #readSamples(atEnd: boolean): boolean {
    const { restarted, lines, rest } = this.#samplesFile.read();
    if (restarted) [this.#samples, this.#malformedSamples] = [[], 0];
    const texts = (atEnd ? [...lines, rest] : lines).filter((line) => line !== "");
    const samples = texts.map(parseSample).filter((sample) => sample !== undefined);
    this.#malformedSamples += texts.length - samples.length;
    this.#samples = [...this.#samples, ...samples];
    return restarted || lines.length > 0;
  }
}

/** A log file. */
class LogSource implements Source {
  readonly #path: string;
  readonly #lines: LineTail;
  #columns = new ColumnsBuilder();
  #importer = new LogImporter(this.#columns);

  constructor(path: string) {
    this.#path = path;
    this.#lines = new LineTail(path);
  }

  read(atEnd: boolean): boolean {
    const { restarted, lines, rest } = this.#lines.read();
    if (restarted) {
      this.#columns = new ColumnsBuilder();
      this.#importer = new LogImporter(this.#columns);
    }
    for (const line of lines) this.#importer.add(line);
    if (atEnd) this.#importer.add(rest);
    return restarted || lines.length > 0;
  }

  get isRun(): boolean {
    return this.#columns.length > 0;
  }

  noRun(): UserError {
    return new UserError(
      `${this.#path} holds no run: it is a file without a line such as "step:125/1875 val_loss:3.9123 ..."; ` +
        "give the folder of a run, or a log in that form",
    );
  }

  data(): RunData {
    const { clockStart } = this.#importer;
    return {
      name: basename(this.#path),
      path: this.#path,
      config: undefined,
      steps: this.#importer.steps,
      columns: this.#columns.columns(),
      phaseMs: new Map(),
      samples: [],
      notes: clockStart === undefined ? [] : [
        `the log's clock starts again before step ${clockStart}: the time of earlier steps is not counted`,
      ],
    };
  }
}

/** A configuration file: when it was written (null: it is not there), what it says, what is wrong with it. */
interface ConfigFile {
  readonly changed: string | null;
  readonly config: RunConfig | undefined;
  readonly notes: readonly string[];
}

function readConfig(path: string): ConfigFile {
  const changed = changedAt(path);
  if (changed === null) return { changed, config: undefined, notes: [`there is no ${RUN_FILES.config}`] };
  try {
    return { changed, config: resolveConfig({ file: path, keepSources: true }), notes: [] };
  } catch (error) {
    return { changed, config: undefined, notes: [messageOf(error)] };
  }
}

/** What changes when a file is replaced or written; null: it is not there. */
function changedAt(path: string): string | null {
  try {
    const { ino, size, mtime } = Deno.statSync(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch {
    return null;
  }
}

function leftOut(count: number, file: string, what: string): string[] {
  if (count === 0) return [];
  const lines = count === 1 ? `1 line of ${file} is` : `${count} lines of ${file} are`;
  return [`${lines} no ${what} and ${count === 1 ? "was" : "were"} left out`];
}
