// Runs and groups of runs beside each other: settings that differ, losses at equal steps, tokens and seconds, when a
// target was passed, tests between the groups. Plain data for compare_text.ts, for JSON and for pages; judges by
// statistics.ts. Refuses the same run twice; prints nothing. May import lib/base, lib/config, lib/run, its neighbours and @std/path.

import { basename, dirname } from "@std/path";
import { UserError } from "../base/errors.ts";
import type { Config } from "../config/schema.ts";
import { holdsRun, RUN_FILES } from "../run/folder.ts";
import {
  type Axis,
  type Curve,
  curveOf,
  firstBelow,
  lossAt,
  type Measure,
  rangeOf,
  type Reached,
} from "./curves.ts";
import type { RunData } from "./run_data.ts";
import {
  belowTarget,
  summarise,
  type Summary,
  type TargetResult,
  type Tested,
  welch,
  type WelchResult,
} from "./statistics.ts";

/** How many rows a table along an axis has at most. */
const MOST_ROWS = 8;

/** A group of runs that differ in nothing that matters, or a single run, under the name it is shown by. */
export interface RunGroup {
  readonly name: string;
  readonly runs: readonly RunData[];
}

/** One run in a comparison. */
export interface ComparedRun {
  readonly name: string;
  readonly path: string;
  readonly step: number;
  /** Steps that the run is or was to do; undefined: nothing says. */
  readonly steps: number | undefined;
  readonly tokens: number;
  readonly seconds: number;
  /** Validation loss after the last step; undefined for a run that has not come to its end. */
  readonly finalValLoss: number | undefined;
  /** Smoothed training loss of the last step. */
  readonly trainLoss: number;
  /** Where the loss was first below the target; undefined without a target, or when it never was. */
  readonly reached: Reached | undefined;
  readonly notes: readonly string[];
}

/** One group in a comparison. */
export interface ComparedGroup {
  readonly name: string;
  readonly runs: readonly ComparedRun[];
  readonly final: Summary;
  /** The speedrun's rule, where a target is given. */
  readonly target: Tested<TargetResult> | undefined;
}

/** Losses of all groups along one axis, at places that every run covers. */
export interface AxisTable {
  readonly axis: Axis;
  readonly rows: readonly { readonly at: number; readonly losses: readonly Summary[] }[];
  /** Whether the losses are read off straight lines between points, for the runs have too few points in common. */
  readonly interpolated: boolean;
  /** Why there are no rows. */
  readonly emptyBecause: string | undefined;
}

/** A key of the configuration with different values, by group; runs without a configuration have none. */
export interface Difference {
  readonly key: string;
  readonly values: readonly (readonly string[])[];
}

/** A test between two groups. */
export interface Pair {
  readonly first: string;
  readonly second: string;
  readonly test: Tested<WelchResult>;
}

/** What comparing found. */
export interface RunComparison {
  readonly target: number | undefined;
  readonly groups: readonly ComparedGroup[];
  readonly differences: readonly Difference[];
  /** Which loss the tables and `reached` are of. */
  readonly measure: Measure;
  readonly tables: readonly AxisTable[];
  /** Whether every run takes as many tokens a step, so that equal steps are equal tokens. */
  readonly sameTokensPerStep: boolean;
  /** What the tests are of. */
  readonly tested: string;
  readonly pairs: readonly Pair[];
}

/** Compares groups; the first is what the others are held against. UserError for the same run twice. */
export function compareRuns(groups: readonly RunGroup[], target?: number): RunComparison {
  refuseTwice(groups);
  const runs = groups.flatMap((group) => group.runs);
  const measure = runs.every((run) => rangeOf(curveOf(run, "validation"), "steps"))
    ? "validation"
    : "training";
  const curves = groups.map((group) => group.runs.map((run) => curveOf(run, measure)));
  const tables = (["steps", "tokens", "seconds"] as const).map((axis) => tableAlong(axis, curves));
  const compared = groups.map((group) => compareGroup(group, measure, target));
  const { what, samples } = samplesToTest(compared, tables[0], curves);
  const [first, ...others] = compared;
  return {
    target,
    groups: compared,
    differences: differencesOf(groups),
    measure,
    tables,
    sameTokensPerStep: new Set(runs.map(tokensPerStep)).size === 1 &&
      !Number.isNaN(runs.map(tokensPerStep)[0]),
    tested: what,
    pairs: others.map(({ name }, i) => ({
      first: first?.name ?? "",
      second: name,
      test: welch(samples[0] ?? [], samples[i + 1] ?? []),
    })),
  };
}

function refuseTwice(groups: readonly RunGroup[]): void {
  const seen = new Map<string, string>();
  for (const { path } of groups.flatMap((group) => group.runs)) {
    const real = Deno.realPathSync(path);
    const isOwnLog = basename(real) === RUN_FILES.log && holdsRun(dirname(real));
    const run = isOwnLog ? dirname(real) : real;
    const other = seen.get(run);
    if (other !== undefined) {
      const as = other === path ? path : `${other} and ${path}`;
      throw new UserError(`The same run is given twice, as ${as}; compare different runs, each once`);
    }
    seen.set(run, path);
  }
}

function compareGroup({ name, runs }: RunGroup, measure: Measure, target: number | undefined): ComparedGroup {
  const compared = runs.map((run) => compareRun(run, measure, target));
  const finals = compared.map((run) => run.finalValLoss).filter((loss) => loss !== undefined);
  return {
    name,
    runs: compared,
    final: summarise(finals),
    target: target === undefined ? undefined : belowTarget(finals, target),
  };
}

function compareRun(run: RunData, measure: Measure, target: number | undefined): ComparedRun {
  const { columns, steps, name, path } = run;
  const step = columns.step.at(-1) ?? 0;
  const last = columns.valLoss.at(-1) ?? NaN;
  const isFinal = (steps === undefined || step >= steps) && !Number.isNaN(last);
  return {
    name,
    path,
    step,
    steps,
    tokens: columns.tokens.at(-1) ?? NaN,
    seconds: columns.seconds.findLast((value) => !Number.isNaN(value)) ?? NaN,
    finalValLoss: isFinal ? last : undefined,
    trainLoss: curveOf(run, "training").loss.at(-1) ?? NaN,
    reached: target === undefined ? undefined : firstBelow(curveOf(run, measure), target),
    notes: [...run.notes, ...unfinished(step, steps), ...notFinite(run)],
  };
}

function unfinished(step: number, steps: number | undefined): string[] {
  if (step === 0) return ["it has no records"];
  return steps === undefined || step >= steps ? [] : [`it stands at step ${step} of ${steps}`];
}

/** Records without a training loss are right in a log that has validations at steps of their own. */
function notFinite({ columns, config }: RunData): string[] {
  const count = config === undefined ? 0 : columns.trainLoss.filter(Number.isNaN).length;
  return count === 0
    ? []
    : [`${count} of its training losses ${count === 1 ? "is" : "are"} no finite number`];
}

function tokensPerStep({ columns }: RunData): number {
  return (columns.tokens.at(-1) ?? NaN) / (columns.step.at(-1) ?? NaN);
}

// ---- losses along an axis ----

function tableAlong(axis: Axis, groups: readonly (readonly Curve[])[]): AxisTable {
  const ranges = groups.flat().map((curve) => rangeOf(curve, axis));
  const known = ranges.filter((range) => range !== undefined);
  const [from, to] = [Math.max(...known.map(([first]) => first)), Math.min(...known.map(([, last]) => last))];
  const emptyBecause = known.length < ranges.length
    ? `${ranges.length - known.length} of ${ranges.length} runs have no ${axis} to go by`
    : from > to
    ? "the runs have no part in common"
    : undefined;
  if (emptyBecause !== undefined) return { axis, rows: [], interpolated: false, emptyBecause };
  const shared = sharedPlaces(axis, from, to, groups.flat());
  const rows = (shared ?? evenPlaces(axis, from, to)).map((at) => ({
    at,
    losses: groups.map((curves) => summarise(curves.map((curve) => lossAt(curve, axis, at)))),
  }));
  return { axis, rows, interpolated: shared === undefined, emptyBecause };
}

/** Points that all curves have, thinned out, the last always among them; undefined where the last is not shared. */
function sharedPlaces(axis: Axis, from: number, to: number, curves: readonly Curve[]): number[] | undefined {
  const [first, ...others] = curves.map((curve) => new Set(curve[axis]));
  const shared = [...first ?? []].filter((at) =>
    at >= from && at <= to && others.every((set) => set.has(at))
  );
  if (shared.at(-1) !== to) return undefined;
  const every = Math.ceil(shared.length / MOST_ROWS);
  return shared.filter((_, i) => (shared.length - 1 - i) % every === 0);
}

function evenPlaces(axis: Axis, from: number, to: number): number[] {
  const parts = Array.from({ length: MOST_ROWS }, (_, i) => from + (to - from) * (i + 1) / MOST_ROWS);
  return [...new Set(axis === "seconds" ? parts : parts.map(Math.floor))].filter((at) => at >= from);
}

/** Final validation losses where every run has one; else the losses at the last step that all have. */
function samplesToTest(
  groups: readonly ComparedGroup[],
  steps: AxisTable | undefined,
  curves: readonly (readonly Curve[])[],
): { what: string; samples: number[][] } {
  const last = steps?.rows.at(-1)?.at;
  if (last === undefined || groups.every(({ runs, final }) => final.n === runs.length)) {
    const samples = groups.map(({ runs }) => runs.map((run) => run.finalValLoss ?? NaN));
    return { what: "final validation loss", samples };
  }
  return {
    what: `loss at step ${last}, for not every run has a final validation`,
    samples: curves.map((group) => group.map((curve) => lossAt(curve, "steps", last))),
  };
}

// ---- settings ----

/** Where a run lies is no setting. */
const NO_SETTINGS: readonly string[] = ["run.out"];

function differencesOf(groups: readonly RunGroup[]): Difference[] {
  const settings = groups.map(({ runs }) => runs.map(({ config }) => settingsOf(config?.config)));
  const keys = new Set(settings.flat().flatMap((run) => [...run.keys()]));
  return [...keys].flatMap((key) => {
    const values = settings.map((runs) => [...new Set(runs.flatMap((run) => run.get(key) ?? []))]);
    return new Set(values.flat()).size > 1 ? [{ key, values }] : [];
  });
}

/** The values of a configuration by key, but for where its run lies. */
export function settingsOf(config: Config | undefined): Map<string, string> {
  const { preset, ...sections } = config ?? {};
  const values = Object.entries(sections).flatMap(([section, content]) =>
    Object.entries(content).map(([name, value]): [string, string] => [`${section}.${name}`, String(value)])
  ).filter(([key]) => !NO_SETTINGS.includes(key));
  return new Map(preset === undefined ? [] : [["preset", preset], ...values]);
}
