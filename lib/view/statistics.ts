// Mean, deviation and tests of final losses: whether two groups of runs differ (Welch), and whether a group's mean is
// below a target, by the speedrun's rule. Says why where a figure cannot be had, instead of giving one. The only file
// that knows the packages of @stdlib/stats. Imports those only.

// @ts-types="./stdlib_ttest.d.ts"
import ttest from "@stdlib/stats-ttest";
// @ts-types="./stdlib_ttest2.d.ts"
import ttest2 from "@stdlib/stats-ttest2";
// @ts-types="./stdlib_t_quantile.d.ts"
import tQuantile from "@stdlib/stats-base-dists-t-quantile";

/** The speedrun's threshold: a record must show with p below this that its mean validation loss is below the target. */
export const TARGET_P = 0.01;
/** Share of intervals that hold the true difference. */
const CONFIDENCE = 0.95;
/** Runs beyond which more of them are no answer. */
const MOST_RUNS = 10_000;

/** A sample in short; `sd` (with n - 1) is undefined for fewer than two values. */
export interface Summary {
  readonly n: number;
  readonly mean: number;
  readonly sd: number | undefined;
}

/** Number, mean and standard deviation; NaN as the mean of nothing. */
export function summarise(values: readonly number[]): Summary {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { n, mean, sd: n < 2 ? undefined : Math.sqrt(squares / (n - 1)) };
}

/** What a test found, or why there is none. */
export type Tested<T> = { readonly result: T } | { readonly undefinedBecause: string };

/** Two groups compared; the difference is that of the second's mean minus the first's. */
export interface WelchResult {
  readonly difference: number;
  /** 95 % confidence interval of the difference. */
  readonly interval: readonly [number, number];
  readonly t: number;
  readonly df: number;
  /** Two-sided. */
  readonly p: number;
}

/** Welch's t test of two samples of unequal variances: do their means differ? (B. L. Welch, Biometrika 34, 1947) */
export function welch(first: readonly number[], second: readonly number[]): Tested<WelchResult> {
  const problem = untestable([first, second]);
  if (problem !== undefined) return { undefinedBecause: problem };
  const { statistic, df, pValue, ci } = ttest2(second, first, {
    variance: "unequal",
    alpha: 1 - CONFIDENCE,
  });
  const difference = summarise(second).mean - summarise(first).mean;
  return { result: { difference, interval: [ci[0], ci[1]], t: statistic, df, p: pValue } };
}

/** A group against a target. */
export interface TargetResult {
  readonly p: number;
  /** Whether p is below TARGET_P. */
  readonly shown: boolean;
  /**
   * How many more runs would show it, if their mean and deviation were those of the sample; 0: none needed, undefined:
   * no number of them, for the mean is not below the target (or is so near that it would take thousands).
   */
  readonly moreRuns: number | undefined;
}

/** The speedrun's rule: one-sided t test that the mean of final validation losses is below the target. */
export function belowTarget(losses: readonly number[], target: number): Tested<TargetResult> {
  const problem = untestable([losses]);
  if (problem !== undefined) return { undefinedBecause: problem };
  const { pValue: p } = ttest(losses, { mu: target, alternative: "less" });
  const shown = p < TARGET_P;
  return { result: { p, shown, moreRuns: shown ? 0 : moreRuns(summarise(losses), target) } };
}

/** The fewest runs beyond the sample's for which (target - mean) / (sd / sqrt(n)) passes the t quantile. */
function moreRuns({ n, mean, sd = NaN }: Summary, target: number): number | undefined {
  for (let runs = n + 1; mean < target && runs <= MOST_RUNS; runs++) {
    if ((target - mean) / sd * Math.sqrt(runs) > tQuantile(1 - TARGET_P, runs - 1)) return runs - n;
  }
  return undefined;
}

/** Why a t test of these samples has no answer, if it has none. */
function untestable(samples: readonly (readonly number[])[]): string | undefined {
  const fewest = Math.min(...samples.map((sample) => sample.length));
  if (fewest < 2) return `it needs at least two runs${samples.length > 1 ? " of each" : ""}, found ${fewest}`;
  if (samples.flat().some((value) => !Number.isFinite(value))) return "a loss is not a finite number";
  const spread = samples.some((sample) => sample.some((value) => value !== sample[0]));
  return spread ? undefined : `all ${samples.length > 1 ? "runs of each" : "runs"} have the very same loss`;
}
