// A sweep of runs over values of settings, as plain data: which runs there are and what they are called, when one has
// fallen behind, and what came of each combination. Trains nothing (lib/cli/sweep.ts has that done) and prints nothing.
// May import lib/base, lib/config and its neighbours.

import { UserError } from "../base/errors.ts";
import { printableLine } from "../base/printable.ts";
import { formatTable } from "../base/units.ts";
import { KEYS } from "../config/schema.ts";
import { halfLifeOf, smoothedTraining } from "./curves.ts";
import type { RunData } from "./run_data.ts";
import { RunningMean } from "./smooth.ts";
import { summarise, type Summary } from "./statistics.ts";

/** The share of a run's steps before which none is stopped for being behind: early losses say little of the last. */
const WARMUP_SHARE = 0.25;
/** A sweep of more runs is taken for a mistake. */
const MOST_RUNS = 1000;
/** Settings that a sweep sets itself. */
const SEED_KEY = "run.seed";
const OWN_KEYS: readonly string[] = [SEED_KEY, "run.out"];

/** One key and the values it is to take, as written. */
export interface Axis {
  readonly key: string;
  readonly values: readonly string[];
}

/** One run of a sweep. */
export interface PlannedRun {
  /** Also the name of its folder: "muonLr=0.02,seed=1337". */
  readonly name: string;
  /** By key. */
  readonly values: Readonly<Record<string, string>>;
  readonly seed: number;
  /** All that it sets, as for --set. */
  readonly sets: readonly string[];
}

/** --over key=a,b,c, each once. UserError for a key that is none, a sweep's own, or given twice. */
export function parseAxes(words: readonly string[], sets: readonly string[]): Axis[] {
  const axes = words.map((word): Axis => {
    const [, key = "", list = ""] = /^([^=]*)=(.*)$/.exec(word) ?? [];
    const values = list.split(",");
    if (values.some((value) => value.trim() === "") || !KEYS.has(key)) {
      const found = KEYS.has(key)
        ? "an empty value"
        : key === ""
        ? "no key"
        : `the key ${key}, which does not exist`;
      throw new UserError(
        `Cannot use --over ${word}: found ${found}, expected a key and values, optim.muonLr=0.02,0.04`,
      );
    }
    if (OWN_KEYS.includes(key)) {
      throw new UserError(`Cannot use --over ${word}: a sweep sets ${key} itself, see --seeds and --out`);
    }
    if (new Set(values).size < values.length) throw new UserError(`--over ${word} has the same value twice`);
    return { key, values };
  });
  const keys = axes.map(({ key }) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) < i || sets.some((set) => set.startsWith(`${key}=`)));
  if (twice !== undefined) {
    throw new UserError(`${twice} is given twice: give it to one --over, and to no --set`);
  }
  return axes;
}

/** Every combination of values with every seed, from `seed` on; the last axis changes first but for the seeds. */
export function planSweep(axes: readonly Axis[], seeds: number, seed: number): PlannedRun[] {
  const count = axes.reduce((product, { values }) => product * values.length, seeds);
  if (count > MOST_RUNS) {
    throw new UserError(`The sweep has ${count} runs; make it one of at most ${MOST_RUNS}`);
  }
  const names = shortNames(axes.map(({ key }) => key));
  let combinations: Record<string, string>[] = [{}];
  for (const { key, values } of axes) {
    combinations = combinations.flatMap((one) => values.map((value) => ({ ...one, [key]: value })));
  }
  const runs = combinations.flatMap((values) =>
    Array.from({ length: seeds }, (_, i): PlannedRun => ({
      name: [
        ...Object.entries(values).map(([key, value]) => `${names.get(key)}=${value}`),
        `seed=${seed + i}`,
      ]
        .map((part) => part.replaceAll(/[^\w.+=-]/g, "_")).join(","),
      values,
      seed: seed + i,
      sets: [...Object.entries(values).map(([key, value]) => `${key}=${value}`), `${SEED_KEY}=${seed + i}`],
    }))
  );
  const twice = runs.find(({ name }, i) => runs.findIndex((run) => run.name === name) < i);
  if (twice === undefined) return runs;
  throw new UserError(
    `Two runs would have the same folder, ${twice.name}: their values differ in no letter or digit`,
  );
}

/** A key's last part, or all of it where two keys end alike. */
function shortNames(keys: readonly string[]): Map<string, string> {
  const last = (key: string) => key.split(".").at(-1) ?? key;
  return new Map(
    keys.map((key) => [key, keys.filter((other) => last(other) === last(key)).length > 1 ? key : last(key)]),
  );
}

// ---- falling behind ----

/** The course that runs are held against: that of the best run so far, by its final validation loss. */
export class Pace {
  #best: { readonly loss: number; readonly course: ReadonlyMap<number, number> } | undefined;

  /** Takes a finished run; the best one sets the pace. */
  finished(run: RunData): void {
    const loss = run.columns.valLoss.at(-1) ?? NaN;
    if (!(loss < (this.#best?.loss ?? Infinity))) return;
    const smoothed = smoothedTraining(run);
    this.#best = { loss, course: new Map([...run.columns.step].map((at, i) => [at, smoothed[i] ?? NaN])) };
  }

  /** How far a smoothed loss lies above the best run's at the same step; NaN where that cannot be said. */
  behind(step: number, smoothed: number): number {
    return smoothed - (this.#best?.course.get(step) ?? NaN);
  }
}

/** One run as it trains, held against the pace. */
export class Chase {
  readonly #pace: Pace;
  readonly #steps: number;
  readonly #margin: number;
  readonly #mean: RunningMean;

  /** `steps` of the run; `margin` in nats. */
  constructor(pace: Pace, steps: number, margin: number) {
    this.#pace = pace;
    this.#steps = steps;
    this.#margin = margin;
    this.#mean = new RunningMean(halfLifeOf(steps));
  }

  /** Takes a step's training loss; returns whether the run is hopelessly behind, which its last step never is. */
  isBehind(step: number, trainLoss: number): boolean {
    const smoothed = this.#mean.add(trainLoss);
    if (step <= WARMUP_SHARE * this.#steps || step >= this.#steps) return false;
    return this.#pace.behind(step, smoothed) > this.#margin;
  }
}

// ---- what came of it ----

/** How a run of a sweep stands; those that are done, behind or diverged are not run again. */
export type SweepStatus = "to do" | "interrupted" | "done" | "behind" | "diverged";

/** One run of a sweep and what came of it. */
export interface SweepRun {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly status: SweepStatus;
  readonly step: number;
  readonly seconds: number;
  /** Final validation loss; null until the run is done. */
  readonly valLoss: number | null;
}

/** All runs of one combination of values. */
export interface Combination {
  readonly values: Readonly<Record<string, string>>;
  /** Of the final validation losses of the runs that are done. */
  readonly final: Summary;
  readonly statuses: readonly SweepStatus[];
}

/** What a planned run has come to, by its files. */
export function sweepRun(planned: PlannedRun, status: SweepStatus, run: RunData | undefined): SweepRun {
  const { name, values, seed } = planned;
  const { step, seconds, valLoss } = run?.columns ?? {};
  return {
    name,
    values,
    seed,
    status,
    step: step?.at(-1) ?? 0,
    seconds: seconds?.at(-1) ?? 0,
    valLoss: status === "done" ? valLoss?.at(-1) ?? null : null,
  };
}

/** The combinations, the one with the lowest mean first; those without a single final loss last, as planned. */
export function combinationsOf(runs: readonly SweepRun[]): Combination[] {
  const groups = Map.groupBy(runs, ({ values }) => JSON.stringify(values));
  const combinations = [...groups.values()].map((group): Combination => ({
    values: group[0]?.values ?? {},
    final: summarise(group.map(({ valLoss }) => valLoss).filter((loss) => loss !== null)),
    statuses: group.map(({ status }) => status),
  }));
  const rank = ({ final }: Combination) => Number.isNaN(final.mean) ? Infinity : final.mean;
  return combinations.toSorted((a, b) => rank(a) === rank(b) ? 0 : rank(a) - rank(b));
}

/** The combinations as a table. */
export function sweepLines(axes: readonly Axis[], combinations: readonly Combination[]): string[] {
  const names = shortNames(axes.map(({ key }) => key));
  const text = (value: number | undefined) =>
    value === undefined || Number.isNaN(value) ? "-" : value.toFixed(4);
  const rows = combinations.map(({ values, final, statuses }) => [
    ...axes.map(({ key }) => printableLine(values[key] ?? "")),
    `${final.n} of ${statuses.length}`,
    text(final.mean),
    text(final.sd),
    [...Map.groupBy(statuses.filter((status) => status !== "done"), (status) => status)]
      .map(([status, all]) => `${all.length} ${status}`).join(", "),
  ]);
  const head = [...axes.map(({ key }) => names.get(key) ?? key), "runs", "val loss", "sd", ""];
  return formatTable([head, ...rows], [...axes.keys(), axes.length + 3]);
}
