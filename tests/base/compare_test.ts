// The comparator's own tests: every way in which a gate is known to pass what is wrong (NaN, infinities, 0/0 means,
// two negatives, exact zero pairs, statistics without a verdict) must fail here. Imports lib/base and @std/assert.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { assertClose, compare, type Tolerance } from "../../lib/base/compare.ts";
import { InternalError } from "../../lib/base/errors.ts";

/** Both modes, generous: what fails under these fails for its kind and not for its size. */
const GENEROUS: Tolerance[] = [{ absolute: 10, relative: 10 }, { mark: 10, floor: 10 }];

Deno.test("compare() passes equal numbers at zero tolerance in both modes", () => {
  for (const tolerance of [{}, { absolute: 0 }, { mark: 0 }]) {
    const result = compare([1, -2.5, 0], Float32Array.of(1, -2.5, 0), tolerance);
    assert(result.pass);
    assertEquals([result.difference, result.ratio, result.relative], [0, 0, 0]);
  }
});

Deno.test("compare() fails any NaN or infinity, on either side or on both", () => {
  for (const tolerance of GENEROUS) {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const [actual, expected] of [[bad, 1], [1, bad], [bad, bad], [bad, 0], [bad, -bad]] as const) {
        const result = compare([0, actual, 0], [0, expected, 0], tolerance);
        assertEquals(result.pass, false, `${actual} against ${expected}`);
        assertEquals(result.worst?.index, 1);
        assertEquals(result.ratio, Infinity);
        assertStringIncludes(result.reason, "not finite: at 1");
      }
    }
  }
});

Deno.test("compare() fails an output that is all NaN", () => {
  for (const tolerance of GENEROUS) {
    assertEquals(compare(new Float32Array(8).fill(NaN), new Float32Array(8), tolerance).pass, false);
  }
});

Deno.test("compare() fails zero elements, differing lengths and differing shapes", () => {
  for (const tolerance of GENEROUS) {
    assertStringIncludes(compare([], [], tolerance).reason, "no elements");
    assertEquals(compare([], [], tolerance).pass, false);
    assertEquals(compare([], [], tolerance, { actual: [0], expected: [0] }).pass, false);
    assertEquals(compare([1, 2], [1], tolerance).reason, "lengths differ: 2 elements, expected 1");
    assertEquals(compare([1], [1, 2], tolerance).pass, false);
    const shapes = compare([1, 2], [1, 2], tolerance, { actual: [1, 2], expected: [2, 1] });
    assertEquals([shapes.pass, shapes.reason], [false, "shapes differ: 1x2, expected 2x1"]);
    assertEquals(compare([1], [1], tolerance, { actual: [1, 1], expected: [1] }).pass, false);
    const wrong = compare([1, 2], [1, 2], tolerance, { actual: [3], expected: [3] });
    assertEquals([wrong.pass, wrong.worst], [false, undefined]);
  }
});

Deno.test("compare() fails a missing element of a plain list", () => {
  const holes: number[] = [];
  holes[2] = 1;
  for (const tolerance of GENEROUS) assertEquals(compare(holes, [0, 0, 1], tolerance).pass, false);
});

Deno.test("compare() fails two negatives that are far apart", () => {
  assertEquals(compare([-100], [-5], { absolute: 1, relative: 0.1 }).pass, false);
  assertEquals(compare([-5], [-100], { absolute: 1, relative: 0.1 }).pass, false);
  assertEquals(compare([-100], [-5], { mark: 0.1 }).pass, false);
});

Deno.test("compare() is not blinded by a pair of exact zeros, nor by many good elements", () => {
  // A mean of |a - e| / (|a| + |e|) over these is 0/0 = NaN, which is not above any limit.
  for (const tolerance of [{ relative: 0.1 }, { mark: 0.1 }]) {
    const result = compare([0, 5], [0, 1], tolerance);
    assertEquals([result.pass, result.worst?.index], [false, 1]);
  }
  const actual = new Float64Array(100_000).fill(1), expected = actual.slice();
  actual[77_777] = 1.5; // in the mean only 5e-6
  const result = compare(actual, expected, { relative: 0.1 });
  assertEquals([result.pass, result.worst?.index, result.worst?.difference], [false, 77_777, 0.5]);
});

Deno.test("compare() allows exactly the tolerance and nothing more", () => {
  // Powers of two, so that the sums are exact.
  assert(compare([1.5], [1], { absolute: 0.25, relative: 0.25 }).pass);
  assertEquals(compare([1.5 + 2 ** -50], [1], { absolute: 0.25, relative: 0.25 }).pass, false);
  assert(compare([-1.5], [-1], { absolute: 0.25, relative: 0.25 }).pass);
  assert(compare([3, 4], [0, 0], { mark: 0, floor: 5 }).pass);
  assertEquals(compare([3, 4], [0, 0], { mark: 0, floor: 5 - 2 ** -49 }).pass, false);
  assert(compare([3, 8], [3, 4], { mark: 0.75, floor: 0.25 }).pass);
  assertEquals(compare([3, 8], [3, 4], { mark: 0.75, floor: 0.125 }).pass, false);
});

Deno.test("compare() fails a relative tolerance at an expected 0 unless the match is exact", () => {
  assertEquals(compare([1e-300], [0], { relative: 1 }).pass, false);
  assertEquals(compare([1e-300], [0], { relative: 1 }).ratio, Infinity);
  assertEquals(compare([1e-300], [0], { mark: 1 }).pass, false);
  assert(compare([-0], [0], { relative: 1 }).pass);
});

Deno.test("compare() neither overflows into a pass nor loses tiny differences", () => {
  const huge = Number.MAX_VALUE;
  assertEquals(compare([-huge], [huge], { relative: 4 }).pass, false);
  assertEquals(compare([-huge], [huge], { mark: 4 }).pass, false);
  assertEquals(compare([2e-170], [1e-170], { mark: 0.5 }).pass, false); // squares would vanish
  assert(compare([1.25e-170], [1e-170], { mark: 0.5 }).pass);
  assertEquals(compare([1e200, 2e-3], [1e200, 1e-3], { mark: 0 }).pass, false);
  assert(compare([1e200, 1.25e200], [1e200, 1e200], { mark: 0.5 }).pass);
});

Deno.test("compare() shows the worst element by its own tolerance and where it lies", () => {
  const shapes = { actual: [2, 3], expected: [2, 3] };
  const result = compare([0, 0, 1010, 0, 0.5, 0], [0, 0, 1000, 0, 0.25, 0], { relative: 0.1 }, shapes);
  assertEquals(result.worst, { index: 4, actual: 0.5, expected: 0.25, difference: 0.25 });
  assertEquals([result.difference, result.allowed, result.ratio, result.relative], [0.25, 0.025, 10, 1]);
  assertEquals(
    result.reason,
    "outside tolerance, worst at [1, 1] (4): 0.5, expected 0.25, difference 0.25, allowed 0.025 (10 of it)",
  );
});

Deno.test("compare() shows the worst of several failures: most over its own tolerance, not largest", () => {
  for (const [actual, expected] of [[[1200, 0.5], [1000, 0.25]], [[0.5, 1200], [0.25, 1000]]] as const) {
    assertEquals(compare(actual, expected, { relative: 0.1 }).worst?.expected, 0.25);
  }
});

Deno.test("compare() states figures in the norm too", () => {
  const result = compare([3, 4, 1], [3, 4, 0], { mark: 0.1, floor: 0.25 });
  assertEquals(result.worst?.index, 2);
  assertEquals([result.pass, result.difference, result.allowed, result.relative], [false, 1, 0.75, 0.2]);
  assertStringIncludes(result.reason, "norm of the difference 1, allowed 0.75");
});

Deno.test("compare() refuses tolerances that could not fail", () => {
  for (const bad of [NaN, Infinity, -1]) {
    for (const tolerance of [{ absolute: bad }, { relative: bad }, { mark: bad }, { mark: 0, floor: bad }]) {
      assertThrows(() => compare([1], [1], tolerance), InternalError, "tolerance");
    }
  }
});

Deno.test("assertClose() throws what compare() only states", () => {
  assertClose([1], [1.5], { absolute: 0.5 });
  const error = assertThrows(() => assertClose([1], [2], { absolute: 0.5 }, "Loss"), Error);
  assertStringIncludes(error.message, "Loss: outside tolerance, worst at 0: 1, expected 2");
  assertThrows(() => assertClose([NaN], [NaN], { absolute: 0.5 }), Error, "not finite");
});
