// What a page about runs is made of, as plain data: written by the server and the report, read by the code in the browser.
// Types and names only, so that both sides agree; JSON has no NaN, so a missing number is null. Holds no markup and
// nothing to run. Imports nothing.

/** Numbers of a column; null where a record has none. */
export type Numbers = (number | null)[];

/** Records of a run, a row each, ascending step: all of them, or those that keep every column's peaks and dips. */
export interface RunTable {
  step: number[];
  /** Seconds of training up to this step. */
  seconds: Numbers;
  trainLoss: Numbers;
  valLoss: Numbers;
  tokensPerSecond: Numbers;
  peakShare: Numbers;
  stepMs: Numbers;
  /** Milliseconds of the step's parts, by name. */
  phases: { name: string; ms: Numbers }[];
}

/** Means of the training loss over stretches of so many records, for smoothing where the table leaves records out. */
export interface RunMeans {
  /** Records in a stretch; the last may have fewer. */
  every: number;
  /** The last step of each stretch, and its seconds. */
  step: number[];
  seconds: Numbers;
  trainLoss: Numbers;
}

/** A key of the configuration, its value as text, and where that came from. */
export interface ConfigEntry {
  key: string;
  value: string;
  source: string;
}

/** Length and rates of a run, as the schedules need them; see lib/optim/schedule.ts. */
export interface ScheduleView {
  steps: number;
  warmupSteps: number;
  warmdownSteps: number;
  momentumStart: number;
  momentumEnd: number;
  momentumWarmupSteps: number;
}

/** One run. */
export interface RunView {
  name: string;
  /** Whether it is being trained, so that more will come. */
  live: boolean;
  /** Steps that the run is to do; null where nothing says. */
  steps: number | null;
  tokensPerStep: number | null;
  /** How many records the run has, of which the table may hold fewer. */
  records: number;
  table: RunTable;
  /** null where the table holds every record. */
  means: RunMeans | null;
  schedule: ScheduleView | null;
  config: ConfigEntry[];
  /** Planned bytes by use, most first; empty where there is no plan. */
  memory: { use: string; bytes: number }[];
  /** The newest last. */
  samples: { step: number; text: string }[];
  notes: string[];
  /** The end of log.txt. */
  log: string;
}

/** What changed since the last message: rows to add, and what takes the place of what was there. */
export interface RunMore {
  live: boolean;
  records: number;
  rows: RunTable;
  /** Left out where no stretch has been filled since. */
  means?: RunMeans | null;
  samples: RunView["samples"];
  notes: string[];
  log: string;
}

/** What a page starts from: the runs of a report, or the name of the run that it follows on its server. */
export type PageStart =
  | { kind: "report"; version: string; made: string; runs: RunView[] }
  | { kind: "live"; version: string; name: string };

/** Events of the stream at EVENTS_PATH: a whole run, which replaces what was there, or more of it. */
export const RUN_EVENT = "run";
export const MORE_EVENT = "more";

/** Paths of the server: the page, its stream, the names of the runs beside it, and one of those (?name=). */
export const PAGE_PATH = "/";
export const EVENTS_PATH = "/events";
export const RUNS_PATH = "/runs";
export const RUN_PATH = "/run";
