// Types of the part of @stdlib/stats-ttest that this project uses: the package's own need another
// package. Declarations only, nothing of the project's own; statistics.ts alone imports the package. An option missing
// here is a compile error there. Imports nothing.

/** Student's t test of one sample; throws for fewer than two values. */
export default function ttest(
  x: readonly number[],
  options: { readonly mu: number; readonly alternative: "two-sided" | "less" | "greater" },
): { readonly pValue: number; readonly statistic: number; readonly df: number };
