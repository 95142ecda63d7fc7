// The running mean: its weights, its beginning, gaps.

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { smooth } from "../../lib/view/smooth.ts";

Deno.test("smooth() weighs a value half as much every half-life, normalised from the first value on", () => {
  const [a = NaN, b = NaN, c = NaN] = smooth([8, 2, 5], 1);
  assertEquals(a, 8);
  assertAlmostEquals(b, (2 + 8 / 2) / (1 + 1 / 2), 1e-12); // float64 sums of a few terms
  assertAlmostEquals(c, (5 + 2 / 2 + 8 / 4) / (1 + 1 / 2 + 1 / 4), 1e-12);
  const [, , d = NaN] = smooth([1, 0, 0], 2);
  assertAlmostEquals(d, 0.5 / (1 + Math.SQRT1_2 + 0.5), 1e-12);
  assertEquals([...smooth(Array(1000).fill(4), 30)].every((value) => Math.abs(value - 4) < 1e-9), true);
});

Deno.test("smooth() passes over what is not a number", () => {
  const [first = 0, gap = 0, last = 0] = smooth([NaN, 3, NaN, 6], 1).subarray(1);
  assertEquals([first, gap], [3, NaN]);
  assertAlmostEquals(last, (6 + 3 / 4) / (1 + 1 / 4), 1e-12);
  assertEquals([...smooth([NaN, NaN], 5)], [NaN, NaN]);
  assertEquals([...smooth([], 5)], []);
});

Deno.test("smooth() refuses a half-life of nothing", () => {
  for (const halfLife of [0, -1, NaN]) assertThrows(() => smooth([1], halfLife), RangeError);
});
