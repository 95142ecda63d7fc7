// Starting values: those of the stored file at the full shapes, the same in pieces as in one draw, the constants of the
// recipe, and the spread of each distribution.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { elementCount } from "../../lib/base/shape.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { startingValues } from "../../lib/model/init.ts";
import { type ParameterSpec, parameterSpecs } from "../../lib/model/parameters.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { checkGolden } from "../../lib/run/check_golden.ts";
import { readGolden } from "../../lib/run/golden_file.ts";
import { ROOT } from "../cli/command.ts";

const { model: RECORD } = PRESETS["speedrun-2024-11-19"].values;

function specOf(name: string): [ParameterSpec, number] {
  const specs = parameterSpecs(RECORD);
  const index = specs.findIndex((spec) => spec.name === name);
  const spec = specs[index];
  assert(spec, name);
  return [spec, index];
}

Deno.test("the first values at the full shapes are those of initial-124m.json, within one unit in the last place", () => {
  const golden = readGolden(join(ROOT, "tests", "golden", "initial-124m.json"));
  const { groups, pass } = checkGolden(golden, new ReferenceDevice(), { precision: "fp32", run: false });
  assertEquals(groups.map(({ name, count }) => [name, count]), [["start", 8 * 49]]);
  assert(pass, groups[0]?.reason);
});

Deno.test("the check of starting values sees two units in the last place, a wrong shape and a wrong number", () => {
  const golden = readGolden(join(ROOT, "tests", "golden", "initial-124m.json"));
  assert(golden.kind === "initial");
  const [row] = golden.rows;
  assert(row);
  const passes = (changed: Partial<typeof row>) =>
    checkGolden({ kind: "initial", rows: [{ ...row, ...changed }] }, new ReferenceDevice(), {
      precision: "fp32",
      run: false,
    }).pass;
  const moved = (units: number) => row.first.map((value, i) => i === 3 ? value + units * 2 ** -25 : value);
  // 0.43 lies between 2^-2 and 2^-1: its last place is 2^-25.
  assertEquals([passes({}), passes({ first: moved(1) }), passes({ first: moved(2) })], [true, true, false]);
  assertEquals(passes({ shape: [768, 50304] }), false);
  assertEquals(passes({ index: 1 }), false);
  assertEquals(passes({ first: [NaN] }), false);
  assertEquals(passes({ first: [] }), false);
});

Deno.test("a parameter drawn in pieces is the parameter drawn whole", () => {
  for (const name of ["embed.weight", "blocks.3.mlp.up.weight", "blocks.0.residual_mix", "head.weight"]) {
    const [spec, index] = specOf(name);
    const small = { ...spec, shape: spec.shape.map((size) => Math.min(size, 30)) };
    const whole = startingValues(small, index, 1337);
    assertEquals(whole.length, elementCount(small.shape));
    for (const first of [0, 4, 24].filter((at) => at < whole.length)) {
      const count = Math.min(9, whole.length - first);
      assertEquals(startingValues(small, index, 1337, first, count), whole.slice(first, first + count));
    }
  }
});

Deno.test("the parameters are the recipe's: order, shapes, numbers and optimisers", () => {
  const specs = parameterSpecs(RECORD);
  assertEquals(specs.length, 1 + 8 * 12 + 2);
  assertEquals(specs.reduce((sum, { shape }) => sum + elementCount(shape), 0), 162_201_642);
  assertEquals(specs.slice(9, 17).map(({ name }) => name), [
    "blocks.1.attn.q.weight",
    "blocks.1.attn.k.weight",
    "blocks.1.attn.v.weight",
    "blocks.1.attn.proj.weight",
    "blocks.1.attn.value_mix",
    "blocks.1.residual_mix",
    "blocks.1.mlp.up.weight",
    "blocks.1.mlp.down.weight",
  ]);
  const ratesOf = (rate: string) => specs.filter((spec) => spec.rate === rate).length;
  assertEquals(["embedLr", "headLr", "scalarLr", "muonLr"].map(ratesOf), [1, 1, 25, 72]);
  assert(specs.every(({ rate, shape }) => rate !== "muonLr" || shape.length === 2));
});

Deno.test("constants start as the recipe says; seeds and parameters have numbers of their own", () => {
  const startOf = (name: string, count: number, seed = 1337) => {
    const [spec, index] = specOf(name);
    return [...startingValues(spec, index, seed, 0, count)];
  };
  assertEquals(startOf("blocks.2.residual_mix", 2), [1, 0]);
  assertEquals(startOf("blocks.2.attn.value_mix", 1), [0.5]);
  assertEquals(startOf("skip_weights", 6), [1, 1, 1, 1, 1, 1]);
  for (const name of ["blocks.0.attn.proj.weight", "blocks.0.mlp.down.weight", "head.weight"]) {
    assertEquals(startOf(name, 4), [0, 0, 0, 0]);
  }
  const q = startOf("blocks.0.attn.q.weight", 8);
  assert(q.join() !== startOf("blocks.0.attn.k.weight", 8).join());
  assert(q.join() !== startOf("blocks.0.attn.q.weight", 8, 1338).join());
  assertEquals(q, startOf("blocks.0.attn.q.weight", 8));
});

Deno.test("uniform values fill their bounds, normal ones have mean 0 and deviation 1", () => {
  const count = 20_000;
  const [spec, index] = specOf("blocks.5.mlp.up.weight");
  const uniform = startingValues(spec, index, 3, 0, count);
  const bound = 1 / Math.sqrt(768);
  const largest = uniform.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert(largest <= bound && largest > 0.999 * bound);
  const [embed] = specOf("embed.weight");
  const normal = startingValues(embed, 0, 3, 0, count);
  const mean = normal.reduce((sum, value) => sum + value, 0) / count;
  const square = normal.reduce((sum, value) => sum + value * value, 0) / count;
  // Four standard deviations of each mean: 4 / sqrt(20000), and 4 sqrt(2 / 20000). The numbers never change.
  assert(Math.abs(mean) < 0.0283 && Math.abs(square - 1) < 0.04);
});
