// Types of the part of @stdlib/stats-ttest2 that this project uses: the package's own need another
// package. Declarations only, nothing of the project's own; statistics.ts alone imports the package. An option missing
// here is a compile error there. Imports nothing.

/** Welch's t test of two samples; `ci`: the interval of the difference of means that holds 1 - alpha. */
export default function ttest2(
  x: readonly number[],
  y: readonly number[],
  options: { readonly variance: "unequal"; readonly alpha: number },
): {
  readonly pValue: number;
  readonly statistic: number;
  readonly df: number;
  readonly ci: readonly [number, number];
};
