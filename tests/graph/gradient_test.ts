// The gradient rule of every op that has one, against central differences in float64 along random directions, over the
// sample cases; and that gradients keep the types of what they belong to in every precision.

import { assert, assertEquals } from "@std/assert";
import { compare } from "../../lib/base/compare.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { differentiate } from "../../lib/graph/autodiff.ts";
import { GraphBuilder } from "../../lib/graph/builder.ts";
import { at, formatType, type Graph, type Value } from "../../lib/graph/node.ts";
import { OP_NAMES, type OpName } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { type Case, caseName, casesOf, drawNormal, streamOf } from "../../lib/graph/samples.ts";
import { weigh } from "../../lib/run/check_ops.ts";
import { interpret } from "../../lib/run/interpret.ts";

/** An op's case as two graphs: outputs, and gradients of its real inputs for a seed on the first output. */
interface Differentiated {
  readonly forward: Graph;
  readonly backward: Graph;
  readonly inputs: readonly Value[];
  /** Forward output -> the output of `backward` that replaces it. */
  readonly replaced: ReadonlyMap<string, string>;
}

/** Real inputs that are constants of every model, by op: their rules say that they have no gradient. */
const CONSTANTS: Readonly<Partial<Record<OpName, readonly number[]>>> = {
  rope: [1],
  normRope: [1],
  matmulNormRope: [2],
};

function differentiateCase(c: Case): Differentiated {
  const b = new GraphBuilder();
  const inputs = c.inputs.map(({ shape, dtype }, i) => b.input(`in.${i}`, shape, dtype));
  const outputs = b.apply(c.op, inputs, c.attrs);
  const forward = b.build("forward", Object.fromEntries(outputs.map((value, i) => [`out.${i}`, value])));
  const first = at(outputs, 0);
  const seed = b.input("seed", first.shape, first.dtype);
  const wanted = inputs.filter(({ dtype }, i) => dtype !== "i32" && !CONSTANTS[c.op]?.includes(i));
  const { gradients, replaced } = differentiate(b, 0, new Map([[first, seed]]), wanted);
  const found: Record<string, Value> = {};
  for (const input of wanted) {
    const gradient = gradients.get(input);
    assert(gradient, `${caseName(c)} gives no gradient for ${input.name}`);
    found[`d.${input.name}`] = gradient;
  }
  const names = new Map<string, string>();
  for (const [output, value] of replaced) {
    const key = `replaced.${outputs.indexOf(output)}`;
    names.set(`out.${outputs.indexOf(output)}`, key);
    found[key] = value;
  }
  return { forward, backward: b.build("backward", found), inputs: wanted, replaced: names };
}

const DIRECTIONS = 2;
/** Large enough that rounding (2^-53 / STEP) stays below 1e-10, small enough that third derivatives do too. */
const STEP = 1e-5;
/** Relative to the gradient's norm, which is about what a random direction meets; the floor is for gradients of 0. */
const TOLERANCE = 1e-6, FLOOR = 1e-8;

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? NaN), 0);
}

/** What is wrong with the gradients of a case; `spoil` scales them first, to show that the check sees that. */
function checkCase(c: Case, spoil = 1): string[] {
  const { forward, backward, inputs, replaced } = differentiateCase(c);
  const feeds: Record<string, Float64Array> = {};
  weigh(c).inputs.forEach((numbers, i) => feeds[`in.${i}`] = numbers);
  const first = at(c.outputs, 0);
  const seed = drawNormal(streamOf(c, 0, 2), elementCount(first.shape));
  const loss = (changed: Record<string, Float64Array>) => {
    return dot(interpret(forward, { ...feeds, ...changed })["out.0"] ?? new Float64Array(), seed);
  };
  const found = interpret(backward, { ...feeds, seed });
  const problems: string[] = [];
  for (const [output, key] of replaced) {
    const exact = compare(found[key] ?? [], interpret(forward, feeds)[output] ?? [], { relative: 1e-14 });
    if (!exact.pass) problems.push(`${caseName(c)}: the backward ${output} differs: ${exact.reason}`);
  }
  for (const { name, shape } of inputs) {
    const x = feeds[name] ?? new Float64Array();
    const gradient = (found[`d.${name}`] ?? new Float64Array()).map((value) => value * spoil);
    const size = Math.sqrt(dot(gradient, gradient));
    for (let k = 0; k < DIRECTIONS; k++) {
      const direction = drawNormal(streamOf(c, Number(name.slice(3)), 3 + k), elementCount(shape));
      const moved = (sign: number) => x.map((value, i) => value + sign * STEP * (direction[i] ?? NaN));
      const numeric = (loss({ [name]: moved(1) }) - loss({ [name]: moved(-1) })) / (2 * STEP);
      const result = compare([dot(gradient, direction)], [numeric], { absolute: TOLERANCE * size + FLOOR });
      if (!result.pass) problems.push(`${caseName(c)}, d ${name}: ${result.reason}`);
    }
  }
  return problems;
}

const DIFFERENTIABLE = OP_NAMES.filter((op) => OPS[op].gradient !== "none");

for (const op of DIFFERENTIABLE) {
  Deno.test(`the gradient of ${op} is that of central differences`, () => {
    assertEquals(casesOf(op, "f64").flatMap((c) => checkCase(c)), []);
  });
}

Deno.test("the gradient check sees a gradient that is off by one part in ten thousand", () => {
  for (const op of ["matmul", "rmsNorm", "attention", "headLoss"] as const) {
    const c = at(casesOf(op, "f64"), 2);
    assertEquals(checkCase(c), []);
    assert(checkCase(c, 1.0001).length > 0, op);
  }
});

/** The head's weights are a float32 parameter when gradients are taken; the plan makes its bf16 working copy later. */
function asDifferentiated(c: Case): Case {
  if (c.op !== "headLoss") return c;
  return {
    ...c,
    inputs: c.inputs.map((input, i) =>
      i === 1 && input.dtype === "bf16" ? { ...input, dtype: "f32" } : input
    ),
  };
}

Deno.test("a gradient has shape and type of what it belongs to, in every precision", () => {
  for (const op of DIFFERENTIABLE) {
    for (const act of ["f64", "f32", "bf16"] as const) {
      for (const c of casesOf(op, act).map(asDifferentiated)) {
        const { backward, inputs } = differentiateCase(c);
        for (const input of inputs) {
          const gradient = backward.outputs[`d.${input.name}`];
          assertEquals(gradient && formatType(gradient), formatType(input), `${caseName(c)}, ${act}`);
        }
      }
    }
  }
});
