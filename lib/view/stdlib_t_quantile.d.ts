// Types of the part of @stdlib/stats-base-dists-t-quantile that this project uses: the package's own need another
// package. Declarations only, nothing of the project's own; statistics.ts alone imports the package. An option missing
// here is a compile error there. Imports nothing.

/** The value below which a t-distributed number of `df` degrees of freedom lies with probability `p`. */
export default function tQuantile(p: number, df: number): number;
