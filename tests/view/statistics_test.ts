// Means and tests against published figures: worked Welch examples, the t table.

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { belowTarget, summarise, welch } from "../../lib/view/statistics.ts";

/** Means, variances, t, degrees of freedom and p of examples 2 and 3 of Wikipedia's "Welch's t-test". */
const WELCH_EXAMPLES = [
  {
    first: [17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8],
    // deno-fmt-ignore
    second: [21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5, 23.6, 21.5, 22.5, 23.5, 21.5, 21.8],
    means: [20.6, 22.1],
    variances: [9.0, 0.9],
    t: 1.57,
    df: 9.9,
    p: 0.149,
  },
  {
    first: [19.8, 20.4, 19.6, 17.8, 18.5, 18.9, 18.3, 18.9, 19.5, 22.0],
    // deno-fmt-ignore
    second: [28.2, 26.6, 20.1, 23.3, 25.2, 22.1, 17.7, 27.6, 20.6, 13.7, 23.2, 17.5, 20.6, 18.0, 23.9, 21.6, 24.3, 20.4, 24.0, 13.2],
    means: [19.4, 21.6],
    variances: [1.4, 17.1],
    t: 2.22,
    df: 24.5,
    p: 0.036,
  },
];

/** Upper 1 % points of Student's t by degrees of freedom, as every printed t table has them. */
const T_TABLE = [[1, 31.821], [2, 6.965], [3, 4.541], [4, 3.747], [9, 2.821], [30, 2.457]] as const;

/** The t value that `n` losses have against 0 when they lie around -1 with standard deviation `sd`. */
function lossesWith(n: number, sd: number): number[] {
  const spread = sd * Math.sqrt((n - 1) / (n - n % 2));
  return Array.from(
    { length: n },
    (_, i) => -1 + (i === 0 && n % 2 === 1 ? 0 : (i % 2 === 0 ? spread : -spread)),
  );
}

Deno.test("welch() gives the published figures of worked examples", () => {
  for (const { first, second, means, variances, t, df, p } of WELCH_EXAMPLES) {
    const summaries = [first, second].map(summarise);
    summaries.forEach(({ n, mean, sd }, i) => {
      assertEquals(n, [10, 20][i]);
      assertAlmostEquals(mean, means[i] ?? NaN, 0.051); // printed to one decimal, its last one rounded
      assertAlmostEquals((sd ?? NaN) ** 2, variances[i] ?? NaN, 0.051);
    });
    const test = welch(first, second);
    if (!("result" in test)) throw new Error(test.undefinedBecause);
    const { result } = test;
    assertAlmostEquals(result.t, t, 0.00501);
    assertAlmostEquals(result.df, df, 0.0501);
    assertAlmostEquals(result.p, p, 0.000501);
    assertAlmostEquals(result.difference, (summaries[1]?.mean ?? 0) - (summaries[0]?.mean ?? 0), 1e-12);
    const [low, high] = result.interval;
    assertAlmostEquals((low + high) / 2, result.difference, 1e-9);
    assertEquals(low < 0 && high > 0, result.p > 0.05, "the interval holds 0 just when p is above 5 %");
  }
});

Deno.test("belowTarget() has p = 0.01 at the values of the t table", () => {
  for (const [df, t] of T_TABLE) {
    const n = df + 1;
    for (const [factor, shown] of [[0.999, false], [1.001, true]] as const) {
      const losses = lossesWith(n, Math.sqrt(n) / (t * factor));
      assertAlmostEquals(Math.abs(-1 / ((summarise(losses).sd ?? NaN) / Math.sqrt(n))), t * factor, 1e-9);
      const test = belowTarget(losses, 0);
      if (!("result" in test)) throw new Error(test.undefinedBecause);
      assertAlmostEquals(test.result.p, 0.01, 1e-4); // a thousandth of t is up to 0.7 % of p
      assertEquals(
        [test.result.shown, test.result.moreRuns === 0],
        [shown, shown],
        `${df} degrees of freedom`,
      );
    }
  }
});

Deno.test("belowTarget() tells how many more runs it would take, by the t table", () => {
  // With n runs in all, (target - mean) / sd must pass t / sqrt(n).
  for (const [df, t] of T_TABLE.slice(1)) {
    const needed = t / Math.sqrt(df + 1);
    const more = (ratio: number) => {
      const test = belowTarget(lossesWith(2, 1 / ratio), 0);
      return "result" in test ? test.result.moreRuns : NaN;
    };
    assertEquals(more(needed * 1.001), df + 1 - 2, `${df} degrees of freedom`);
    assertEquals(more(needed * 0.999), df + 1 - 2 + 1, `${df} degrees of freedom, not quite`);
  }
  const above = belowTarget([3.3, 3.29], 3.28);
  assertEquals("result" in above && [above.result.shown, above.result.moreRuns], [false, undefined]);
});

Deno.test("what cannot be tested says why", () => {
  const why = (test: object) => "undefinedBecause" in test ? test.undefinedBecause : test;
  assertEquals(why(belowTarget([3.2], 3.28)), "it needs at least two runs, found 1");
  assertEquals(why(belowTarget([], 3.28)), "it needs at least two runs, found 0");
  assertEquals(why(belowTarget([3.2, 3.2], 3.28)), "all runs have the very same loss");
  assertEquals(why(belowTarget([3.2, NaN], 3.28)), "a loss is not a finite number");
  assertEquals(why(welch([1, 2], [3])), "it needs at least two runs of each, found 1");
  assertEquals(why(welch([1, 1], [3, 3])), "all runs of each have the very same loss");
  assertEquals("result" in welch([1, 1], [3, 4]), true, "one of them may vary alone");
  assertEquals(summarise([]), { n: 0, mean: NaN, sd: undefined });
  assertEquals(summarise([4]), { n: 1, mean: 4, sd: undefined });
});
