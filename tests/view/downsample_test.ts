// Fewer points for a drawing: how many, which ones, spikes and gaps.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { downsample } from "../../lib/view/downsample.ts";
import { randomBelow } from "../data/helpers.ts";

const range = (length: number) => Array.from({ length }, (_, i) => i);

Deno.test("downsample() keeps all points where they are few enough, but those that are not finite", () => {
  assertEquals([...downsample([1, 2, 3, 4], [5, NaN, 7, Infinity], 4)], [0, 2]);
  assertEquals([...downsample([], [], 4)], []);
  assertEquals([...downsample([1, 2], [NaN, NaN], 4)], []);
  assertEquals([...downsample(range(5), range(5), 5)], range(5));
});

Deno.test("downsample() keeps first, last, the lowest and highest of each stretch, and at most so many", () => {
  const below = randomBelow(7);
  for (const [length, most] of [[100, 4], [1000, 7], [1000, 10], [5000, 100], [101, 100]] as const) {
    const y = range(length).map(() => below(1000));
    y[Math.floor(length / 3)] = 5000;
    y[Math.floor(length / 2)] = -5000;
    y[5] = NaN;
    const kept = [...downsample(range(length), y, most)];
    assert(kept.length <= most && kept.length > most / 3, `${kept.length} of ${most}`);
    assertEquals(kept, kept.toSorted((a, b) => a - b));
    assertEquals([kept[0], kept.at(-1)], [0, length - 1]);
    for (const extreme of [Math.floor(length / 3), Math.floor(length / 2)]) assert(kept.includes(extreme));
    assert(!kept.includes(5));
  }
});

Deno.test("downsample() cuts the stretches by x: a dense part does not take all points", () => {
  const x = [...range(900).map((i) => i / 900), ...range(100).map((i) => 1 + i)];
  const kept = downsample(x, x.map((value) => Math.sin(value)), 42);
  assert(kept.filter((i) => i >= 900).length > 30);
  assertEquals([...downsample([1, 1, 1, 1, 1], [3, 9, 1, 4, 5], 4)], [0, 1, 2, 4], "all at the same x");
});

Deno.test("downsample() refuses fewer than four points and columns of unequal length", () => {
  assertThrows(() => downsample([1], [1], 3), RangeError);
  assertThrows(() => downsample([1, 2], [1], 10), RangeError);
});
