// nanogpt sweep: every combination of values, one run after another, each in a folder of its own below one; goes on
// where it was interrupted and stops what has fallen behind. Trains by training.ts, plans and judges by lib/view/sweep.ts.
// Repeats no run that has come to its end. May import lib/base, lib/config, lib/run, lib/view, its neighbours, @std/path.

import { basename, join, resolve } from "@std/path";
import { DivergedError, messageOf, UserError } from "../base/errors.ts";
import { printable, printableLine } from "../base/printable.ts";
import { isObject } from "../config/check.ts";
import { resolveConfig, type ResolvedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { StopFlag, type TrainEvent } from "../run/events.ts";
import { exists, holdsRun, makeWritable } from "../run/folder.ts";
import { lockFolder, writeWhole } from "../run/run_log.ts";
import { settingsOf } from "../view/compare.ts";
import { readRun, type RunData } from "../view/run_data.ts";
import {
  type Axis,
  Chase,
  combinationsOf,
  Pace,
  parseAxes,
  type PlannedRun,
  planSweep,
  sweepLines,
  type SweepRun,
  sweepRun,
  type SweepStatus,
} from "../view/sweep.ts";
import { hasEnded } from "../view/watch_frame.ts";
import type { Context } from "./context.ts";
import type { SweepOptions } from "./options.ts";
import { err, out } from "./output.ts";
import { TrainView } from "./train_view.ts";
import { leaveReport, runTraining, watchSignals } from "./training.ts";

/** What a sweep keeps of itself in its folder. */
const SUMMARY = "sweep.json";

/** Runs what is left to run, prints the table and leaves a report; returns the exit code: 0 done, 130 interrupted. */
export async function sweep(options: SweepOptions, context: Context): Promise<number> {
  const axes = parseAxes(options.over, options.sets);
  const base = resolveConfig(options);
  const planned = planSweep(axes, options.seeds, base.config.run.seed);
  const folder = resolve(options.out ?? join("runs", `sweep-${nameOf(options, base.config)}`));
  const members = planned.map((run) => memberOf(run, options, folder));
  members.forEach(refuseOtherSettings);
  makeWritable(folder);
  using _lock = lockFolder(folder);
  const runs = new Runs(join(folder, SUMMARY), axes, options, members);
  const isWhole = await runs.train(context);
  sweepLines(axes, combinationsOf(runs.all)).forEach((line) => out.line(line));
  const trained = members.map((member) => member.folder).filter(holdsRun);
  if (trained.length > 0) {
    await leaveReport(trained, folder, context.assets.page, (text) => err.line(text));
  }
  const last = isWhole
    ? `Done: ${runs.all.length} runs`
    : "Interrupted; the same command goes on where it stopped,";
  out.line(printableLine(`${last} in ${folder}`));
  return isWhole ? 0 : 130;
}

/** The configuration file's name, or the preset's. */
function nameOf({ file }: SweepOptions, { preset }: Config): string {
  return file === undefined ? preset : basename(file, ".json");
}

/** One run of the sweep, with its folder and all its settings. */
interface Member {
  readonly planned: PlannedRun;
  readonly folder: string;
  readonly resolved: ResolvedConfig;
}

function memberOf(planned: PlannedRun, options: SweepOptions, parent: string): Member {
  const folder = join(parent, planned.name);
  const sets = [...options.sets, ...planned.sets];
  return { planned, folder, resolved: resolveConfig({ ...options, sets, flags: { out: folder } }) };
}

/** A run that is there already must be the one that is asked for. */
function refuseOtherSettings({ folder, resolved }: Member): void {
  const run = holdsRun(folder) ? readRun(folder) : undefined;
  if (run?.config === undefined) return;
  const [there, asked] = [settingsOf(run.config.config), settingsOf(resolved.config)];
  const differing = [...asked].filter(([key, value]) => there.get(key) !== value)
    .map(([key, value]) => `${key} is ${there.get(key)} there, ${value} here`);
  if (differing.length === 0) return;
  throw new UserError(
    `Cannot go on with the run in ${folder}: ${
      differing.join("; ")
    }; give the same settings, or another --out`,
  );
}

/** The runs of a sweep and how they stand, kept in its file. */
class Runs {
  readonly #path: string;
  readonly #about: Readonly<Record<string, unknown>>;
  readonly #members: readonly Member[];
  readonly #stopBehind: number | undefined;
  readonly #statuses: Map<string, SweepStatus>;
  readonly #pace = new Pace();
  /** What shows the run under way. */
  #view: TrainView | undefined;

  constructor(path: string, axes: readonly Axis[], options: SweepOptions, members: readonly Member[]) {
    this.#path = path;
    this.#members = members;
    this.#stopBehind = options.stopBehind;
    this.#about = {
      over: Object.fromEntries(axes.map(({ key, values }) => [key, values])),
      seeds: options.seeds,
      stopBehind: options.stopBehind ?? null,
    };
    const kept = keptStatuses(path);
    this.#statuses = new Map(
      members.map(({ planned: { name }, folder }) => [name, statusOf(folder, kept.get(name))]),
    );
  }

  /** All runs as they stand. */
  get all(): SweepRun[] {
    return this.#members.map(({ planned, folder }) =>
      sweepRun(planned, this.#status(planned.name), holdsRun(folder) ? readRun(folder) : undefined)
    );
  }

  /** Trains what is left; returns whether that came to its end. */
  async train(context: Context): Promise<boolean> {
    let current: StopFlag | undefined;
    let interrupted = false;
    using _signals = watchSignals({
      isSet: () => interrupted,
      set: () => {
        interrupted = true;
        current?.set();
      },
    }, (text) => this.#view === undefined ? err.line(text) : this.#view.note(text));
    this.#members.filter(({ planned }) => this.#status(planned.name) === "done")
      .forEach(({ folder }) => this.#pace.finished(readRun(folder)));
    for (const [i, member] of this.#members.entries()) {
      const { name } = member.planned;
      const before = this.#status(name);
      const place = `[${i + 1}/${this.#members.length}] ${name}`;
      if (before !== "to do" && before !== "interrupted") {
        err.line(`${place}: ${before} already`);
        continue;
      }
      if (interrupted) break;
      err.line(place);
      const stop = new SharedArrayBuffer(4);
      current = new StopFlag(stop);
      const status = await this.#trainOne(member, context, stop);
      this.#statuses.set(name, status);
      if (status === "done") this.#pace.finished(readRun(member.folder));
      err.line(`${place}: ${status}`);
      this.#write();
    }
    this.#write();
    return [...this.#statuses.values()].every((status) => status !== "to do" && status !== "interrupted");
  }

  /** Trains one run to its end, or until it is behind or `stop` is set. */
  async #trainOne(
    { folder, resolved }: Member,
    context: Context,
    stop: SharedArrayBuffer,
  ): Promise<SweepStatus> {
    const isNew = !exists(folder);
    makeWritable(folder);
    const { steps } = resolved.config.schedule;
    const chase = this.#stopBehind === undefined ? undefined : new Chase(this.#pace, steps, this.#stopBehind);
    const view = this.#view = new TrainView(folder, steps);
    let isBehind = false;
    const heard = (event: TrainEvent) => {
      if (event.kind === "start" && event.from > 0) replay(readRun(folder), event.from, chase);
      if (event.kind !== "step" || !chase?.isBehind(event.record.step, event.record.trainLoss)) return;
      isBehind = true;
      new StopFlag(stop).set();
    };
    const resume = holdsRun(folder) ? "auto" : undefined;
    try {
      const end = await runTraining({ resolved, folder, isNew, resume }, { context, stop, view, heard });
      return !end.interrupted ? "done" : isBehind ? "behind" : "interrupted";
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error;
      err.line(printable(error.message));
      return "diverged";
    } finally {
      this.#view = undefined;
    }
  }

  #status(name: string): SweepStatus {
    return this.#statuses.get(name) ?? "to do";
  }

  #write(): void {
    const { all } = this;
    const summary = { ...this.#about, runs: all, combinations: combinationsOf(all) };
    writeWhole(this.#path, JSON.stringify(summary, null, 2) + "\n");
  }
}

/** The steps that a resumed run has behind it. */
function replay({ columns: { step, trainLoss } }: RunData, last: number, chase: Chase | undefined): void {
  step.forEach((at, i) => {
    if (at <= last) chase?.isBehind(at, trainLoss[i] ?? NaN);
  });
}

/** A run's own files count; what they cannot tell, being behind or diverged, is kept in the sweep's. */
function statusOf(folder: string, kept: string | undefined): SweepStatus {
  if (!holdsRun(folder)) return "to do";
  if (kept === "behind" || kept === "diverged") return kept;
  const run = readRun(folder);
  return hasEnded(run) && Number.isFinite(run.columns.valLoss.at(-1)) ? "done" : "interrupted";
}

/** The status of each run by name, as the sweep's file has it; nothing where there is no file yet. */
function keptStatuses(path: string): Map<string, string> {
  if (!exists(path)) return new Map();
  let content: unknown;
  try {
    content = JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    throw new UserError(
      `Cannot read ${path}: ${messageOf(error)}; remove it, finished runs are known by their folders`,
    );
  }
  const runs = isObject(content) && Array.isArray(content.runs) ? content.runs.filter(isObject) : [];
  return new Map(runs.map(({ name, status }) => [String(name), String(status)]));
}
