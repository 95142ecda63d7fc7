// The schedules against values written out by hand, and optimiser steps on the reference device against the recipe's
// formulas for a few numbers.

import { assertEquals } from "@std/assert";
import { assertClose } from "../../lib/base/compare.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { momentumAt, rateAt, stepScalars } from "../../lib/optim/schedule.ts";
import { interpretOp } from "../../lib/run/interpret.ts";

const { optim: RECORD, schedule: RECORD_SCHEDULE } = PRESETS["speedrun-2024-11-19"].values;

/** Float64 arithmetic in another order. */
const ROUNDED = { absolute: 1e-15, relative: 1e-14 };

Deno.test("the rate rises over the warm-up, stays, and falls over the warm-down", () => {
  const schedule = { steps: 10, warmupSteps: 4, warmdownSteps: 5 };
  const rates = Array.from({ length: 10 }, (_, t) => rateAt(schedule, t));
  assertClose(rates, [0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2], ROUNDED);
});

Deno.test("the rate without warm-up or warm-down is 1 throughout", () => {
  const schedule = { steps: 3, warmupSteps: 0, warmdownSteps: 0 };
  assertEquals([0, 1, 2].map((t) => rateAt(schedule, t)), [1, 1, 1]);
});

Deno.test("the record's rate", () => {
  const rate = (t: number) => rateAt(RECORD_SCHEDULE, t);
  assertEquals([rate(0), rate(1312), rate(1313)], [1, 1, 1]);
  assertClose([rate(1314), rate(1874)], [561 / 562, 1 / 562], ROUNDED);
});

Deno.test("a warm-up that reaches into the warm-down goes first", () => {
  const schedule = { steps: 4, warmupSteps: 3, warmdownSteps: 4 };
  assertClose([0, 1, 2, 3].map((t) => rateAt(schedule, t)), [1 / 3, 2 / 3, 1, 1 / 4], ROUNDED);
});

Deno.test("momentum goes from start to end over its warm-up; without one it is at the end from the first step", () => {
  const momentum = (t: number) => momentumAt(RECORD, t);
  assertClose([0, 250, 500, 5000].map(momentum), [0.85, 0.9, 0.95, 0.95], ROUNDED);
  assertEquals(momentumAt({ ...RECORD, momentumWarmupSteps: 0 }, 0), 0.95);
});

Deno.test("the scalar buffer begins with rate, momentum and Adam's corrections", () => {
  const scalars = stepScalars(RECORD_SCHEDULE, RECORD, 1);
  const momentum = 0.85 + 0.1 * (1 / 500);
  assertClose(scalars, [1, momentum, 1 / (1 - 0.81), 1 / (1 - 0.9025)], ROUNDED);
});

const vector = (count: number) => ({ shape: [count], dtype: "f64" }) as const;

Deno.test("Adam's first step moves each parameter by about the rate, against its gradient's sign", () => {
  const scalars = [...stepScalars({ steps: 4, warmupSteps: 2, warmdownSteps: 0 }, RECORD, 0), 0, 0, 0, 0];
  const attrs = { index: 1, lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
  const inputs = [[1, 1, 1], [0, 0, 0], [0, 0, 0], [7, 7], [2, -3, 0], scalars];
  const [p, m, v, flags] = interpretOp("adam", attrs, inputs.map((x) => vector(x.length)), inputs);
  // m/(1 - b1) = g and v/(1 - b2) = g^2 at the first step, and the rate is half way up its warm-up.
  const step = (g: number) => 0.005 * g / (Math.abs(g) + 1e-8);
  assertClose(p ?? [], [1 - step(2), 1 - step(-3), 1], ROUNDED);
  assertClose(m ?? [], [0.2, -0.3, 0], ROUNDED);
  assertClose(v ?? [], [0.05 * 4, 0.05 * 9, 0], ROUNDED);
  assertEquals([...flags ?? []], [7, 0]);
});

Deno.test("Nesterov momentum looks one step ahead and counts what is not finite", () => {
  const scalars = [1, 0.9, 1, 1, 0, 0, 0, 0];
  const inputs = [[1, 2, 3], [8, 8, 8], [5, 5], [10, NaN, -Infinity], scalars];
  const [m, u, flags] = interpretOp(
    "nesterov",
    { index: 0, slot: 0 },
    inputs.map((x) => vector(x.length)),
    inputs,
  );
  assertClose([m?.[0] ?? NaN, u?.[0] ?? NaN], [10.9, 10 + 0.9 * 10.9], ROUNDED);
  assertEquals([...flags ?? []], [2, 5]);
});
