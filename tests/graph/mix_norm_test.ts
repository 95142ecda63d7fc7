// The fused rows of mix and norm inside a differentiated graph: whichever of their summands are there, the gradients are those
// of a mix and a norm apart, and the op that makes all sums at once is taken.

import { assertEquals } from "@std/assert";
import { assertClose } from "../../lib/base/compare.ts";
import { RandomStream } from "../../lib/base/random.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { differentiate } from "../../lib/graph/autodiff.ts";
import { GraphBuilder } from "../../lib/graph/builder.ts";
import { at, type Value } from "../../lib/graph/node.ts";
import { MIX } from "../../lib/graph/ops/elementwise.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { interpret } from "../../lib/run/interpret.ts";

const ROWS = 3, WIDTH = 5, EPS = 0.01, INDEX = 1;
const INPUTS = { a: [ROWS, WIDTH], b: [ROWS, WIDTH], s: [2], skip: [ROWS, WIDTH], w: [3] } as const;
type Name = keyof typeof INPUTS;

/** x and y of a mix of a with b, or of a with itself; `skip` names what is added to a first. */
interface Mixed {
  readonly b: "a" | "b";
  readonly skip?: "a" | "skip";
  /** What is used once more, so that its gradient is a sum. */
  readonly used: readonly Name[];
}

function fused(g: GraphBuilder, of: (name: Name) => Value, { b, skip }: Mixed): Value[] {
  const inputs = [of("a"), of(b), of("s")];
  return skip
    ? g.apply("skipMixNorm", [...inputs, of(skip), of("w")], { index: INDEX, eps: EPS })
    : g.apply("mixNorm", inputs, { eps: EPS });
}

function apart(g: GraphBuilder, of: (name: Name) => Value, { b, skip }: Mixed): Value[] {
  const sum = skip ? g.one("mix", [of("a"), of(skip), of("w")], { form: MIX.skip, index: INDEX }) : of("a");
  const x = g.one("mix", [sum, of(b), of("s")], { form: MIX.pair, index: 0 });
  return [x, g.one("rmsNorm", [x], { width: WIDTH, eps: EPS })];
}

/** Gradients of all that is mixed, from random ones of the outputs named, and the ops of the backward pass. */
function backward(mixed: Mixed, make: typeof fused, outputs: readonly number[]) {
  const g = new GraphBuilder();
  const of = (name: Name) => g.input(name, INPUTS[name], "f64");
  // Used later than the mix: their gradients are there when the mix's come.
  const made = make(g, of, mixed);
  const copies = mixed.used.map((name) => g.one("affine", [of(name)], { alpha: 3, beta: 0 }));
  const results = [...outputs.map((i) => at(made, i)), ...copies];
  const seeds = new Map(results.map((value, i) => [value, g.input(`seed.${i}`, value.shape, "f64")]));
  const wanted = [...new Set<Name>(["a", mixed.b, "s", ...(mixed.skip ? [mixed.skip, "w"] as const : [])])];
  const first = g.nodes.length;
  const { gradients } = differentiate(g, 0, seeds, wanted.map(of));
  const ops = g.nodes.slice(first).map(({ op }) => op).filter((op) => op !== "affine");
  const found = wanted.map((name) => [`d.${name}`, gradients.get(of(name))] as const);
  const graph = g.build("g", Object.fromEntries(found.flatMap(([key, d]) => d ? [[key, d]] : [])));
  const feeds = [...Object.entries(INPUTS), ...results.map(({ shape }, i) => [`seed.${i}`, shape] as const)];
  const draw = ([name, shape]: readonly [string, readonly number[]], i: number) =>
    [name, drawNormal(new RandomStream(7, i), elementCount(shape))] as const;
  return { ops, wanted, gradients: interpret(graph, Object.fromEntries(feeds.map(draw))) };
}

/** What is mixed, and the one op of its gradient. */
const CASES: readonly (readonly [Mixed, string])[] = [
  [{ b: "b", used: [] }, "mixNormGrad"],
  [{ b: "b", used: ["a"] }, "mixNormGradAdd"],
  [{ b: "b", used: ["a", "b"] }, "mixNormGradAddBoth"],
  [{ b: "a", used: [] }, "mixNormSelfGrad"],
  [{ b: "a", used: ["a"] }, "mixNormSelfGradAdd"],
  [{ b: "b", skip: "skip", used: [] }, "skipMixNormGrad"],
  [{ b: "b", skip: "skip", used: ["b"] }, "skipMixNormGradAdd"],
  [{ b: "b", skip: "skip", used: ["b", "w"] }, "skipMixNormGradAddBoth"],
  [{ b: "b", skip: "a", used: [] }, "skipMixNormSelfGrad"],
  [{ b: "b", skip: "a", used: ["b"] }, "skipMixNormSelfGradAdd"],
  [{ b: "b", skip: "a", used: ["b", "w"] }, "skipMixNormSelfGradAddBoth"],
];

/** Float64 arithmetic in another order. */
const ROUNDED = { relative: 1e-12, absolute: 1e-13 };

Deno.test("a mix with its norm has the gradients of the two apart, and one op makes all their sums", () => {
  for (const [mixed, op] of CASES) {
    for (const outputs of [[0, 1], [0], [1]]) {
      const found = backward(mixed, fused, outputs);
      const expected = backward(mixed, apart, outputs);
      if (outputs.length === 2) assertEquals(found.ops, [op]);
      assertEquals(Object.keys(found.gradients).length, found.wanted.length);
      for (const [key, gradient] of Object.entries(expected.gradients)) {
        assertClose(found.gradients[key] ?? [], gradient, ROUNDED);
      }
    }
  }
});

Deno.test("a sum that no op of the mix makes is added apart", () => {
  const { ops, gradients } = backward({ b: "b", used: ["b"] }, fused, [0, 1]);
  assertEquals(ops, ["mixNormGrad", "add"]);
  assertClose(
    gradients["d.b"] ?? [],
    backward({ b: "b", used: ["b"] }, apart, [0, 1]).gradients["d.b"] ?? [],
    ROUNDED,
  );
});
