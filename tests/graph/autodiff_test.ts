// Differentiation and rewriting of graphs beyond single ops: sums over several uses, what does not depend, what has no
// gradient; replaced values, dead nodes, expansions.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "../../lib/base/compare.ts";
import { InternalError } from "../../lib/base/errors.ts";
import { differentiate } from "../../lib/graph/autodiff.ts";
import { GraphBuilder } from "../../lib/graph/builder.ts";
import { at, type Value } from "../../lib/graph/node.ts";
import { product } from "../../lib/graph/ops/matrices.ts";
import { dropDead, expandOps, replaceValues } from "../../lib/graph/rewrite.ts";
import { interpret } from "../../lib/run/interpret.ts";

/** Float64 arithmetic in another order: a few roundings. */
const ROUNDED = { relative: 1e-14, absolute: 1e-15 };

Deno.test("a value used several times gets the sum of its gradients", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [3], "f64");
  const square = b.one("reluSquared", [x]);
  // y = x^2 + x + x for positive x: dy/dx = 2x + 2.
  const y = b.one("add", [b.one("add", [square, x]), x]);
  const seed = b.input("seed", [3], "f64");
  const { gradients } = differentiate(b, 0, new Map([[y, seed]]), [x]);
  const dx = gradients.get(x);
  assert(dx);
  const { d } = interpret(b.build("g", { d: dx }), { x: [1, 2, 0.5], seed: [1, 10, 100] });
  assertClose(d ?? [], [4, 60, 300], ROUNDED);
});

Deno.test("the same value as both operands of a product gets both gradients", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [2, 2], "f64");
  const y = b.one("matmul", [x, x], product(0, 0, "f64"));
  const seed = b.input("seed", [2, 2], "f64");
  const { gradients } = differentiate(b, 0, new Map([[y, seed]]), [x]);
  const dx = gradients.get(x);
  assert(dx);
  // d sum(seed * xx)/dx = seed x^T + x^T seed, written out for x = [[1, 2], [3, 4]], seed = [[1, 0], [0, 2]].
  const { d } = interpret(b.build("g", { d: dx }), { x: [1, 2, 3, 4], seed: [1, 0, 0, 2] });
  assertClose(d ?? [], [1 + 1, 3 + 6, 4 + 2, 8 + 8], ROUNDED);
});

/** Ops of the backward pass of `y`, and the gradient of x, for x = [1, 2, -3, 4] and seed = [1, 10, 100, 1000]. */
function backwardOf(make: (b: GraphBuilder, x: Value) => Value): { ops: string[]; dx: Float64Array } {
  const b = new GraphBuilder();
  const x = b.input("x", [2, 2], "f64");
  const y = make(b, x);
  const first = b.nodes.length;
  const { gradients } = differentiate(b, 0, new Map([[y, b.input("seed", [2, 2], "f64")]]), [x]);
  const dx = gradients.get(x);
  assert(dx);
  const graph = b.build("g", { dx });
  const values = interpret(graph, { x: [1, 2, -3, 4], seed: [1, 10, 100, 1000], s: [0.25, 3] });
  return { ops: b.nodes.slice(first).map(({ op }) => op), dx: at(Object.values(values), 0) };
}

Deno.test("the op that makes a summand makes the sum, once: other outputs and the first gradient stay", () => {
  const eps = { width: 2, eps: 0.01 };
  const norm = backwardOf((b, x) => b.one("add", [b.one("rmsNorm", [x], eps), x]));
  assertEquals(norm.ops, ["rmsNormGradAdd"]);
  const apart = backwardOf((b, x) => b.one("rmsNorm", [x], eps));
  assertEquals(apart.ops, ["rmsNormGrad"]);
  assertClose(norm.dx, apart.dx.map((d, i) => d + at([1, 10, 100, 1000], i)), ROUNDED);

  const mixed = (b: GraphBuilder, a: Value, c: Value) =>
    b.one("mix", [a, c, b.input("s", [2], "f64")], { form: 0, index: 0 });
  // y = s0 relu(x)^2 + s1 x + x.
  const into = backwardOf((b, x) => b.one("add", [mixed(b, b.one("reluSquared", [x]), x), x]));
  assertEquals(into.ops, ["mixGradAdd", "reluSquaredGrad", "add"]);
  assertClose(into.dx, [1 * (0.5 + 4), 10 * (1 + 4), 100 * 4, 1000 * (2 + 4)], ROUNDED);
  // y = s0 r + s1 x + r + x with r = relu(x)^2: both outputs get a sum.
  const both = backwardOf((b, x) => {
    const r = b.one("reluSquared", [x]);
    return b.one("add", [b.one("add", [mixed(b, r, x), r]), x]);
  });
  assertEquals(both.ops, ["mixGradAddBoth", "reluSquaredGrad", "add"]);
  assertClose(both.dx, [1 * (2.5 + 4), 10 * (5 + 4), 100 * 4, 1000 * (10 + 4)], ROUNDED);
  // A mix of a value with itself: its second gradient is added to the first, which the same kernel makes.
  const self = backwardOf((b, x) => mixed(b, x, x));
  assertEquals(self.ops, ["mixGrad", "add"]);
  assertClose(self.dx, [3.25, 32.5, 325, 3250], ROUNDED);
});

Deno.test("the mlp's rule fuses its products: the hidden gradient with relu squared's, the input's with what is there", () => {
  const b = new GraphBuilder();
  const [h, up, down] = [
    b.input("h", [2, 3], "f64"),
    b.input("up", [5, 3], "f64"),
    b.input("down", [3, 5], "f64"),
  ];
  const out = b.one("mlp", [h, up, down, h]);
  const sum = b.one("add", [out, b.one("matmul", [h, b.input("w", [3, 3], "f64")], product(0, 1, "f64"))]);
  const { gradients } = differentiate(b, 0, new Map([[sum, b.input("seed", [2, 3], "f64")]]), [h, up, down]);
  const found = [h, up, down].map((x) => gradients.get(x));
  const outputs = Object.fromEntries(found.flatMap((value, i) => value ? [[`d.${i}`, value]] : []));
  assertEquals(dropDead(b.build("g", outputs)).nodes.map(({ op }) => op), [
    "mlp",
    "matmul", // dh of the other product
    "matmul", // d down
    "matmulReluSquaredGrad",
    "matmulAdd", // dh
    "matmul", // d up
    "add", // as residual h has the seed for a gradient
  ]);
});

Deno.test("what the seeds do not depend on gets no gradient, and no node is made for it", () => {
  const b = new GraphBuilder();
  const [x, other] = [b.input("x", [3], "f64"), b.input("other", [3], "f64")];
  const y = b.one("reluSquared", [x]);
  b.one("reluSquared", [other]);
  const before = b.nodes.length;
  const { gradients } = differentiate(b, 0, new Map([[y, y]]), [x, other]);
  assertEquals([gradients.has(x), gradients.has(other)], [true, false]);
  assertEquals(b.nodes.slice(before).map(({ op }) => op), ["reluSquaredGrad"]);
});

Deno.test("a gradient that reaches an op without one is refused by name", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [3, 4], "f64");
  const y = b.one("selectRow", [x, b.input("index", [1], "i32")]);
  const error = assertThrows(() => differentiate(b, 0, new Map([[y, y]]), [x]), InternalError);
  assert(error.message.includes("selectRow"));
});

/** x -> rmsNorm -> reluSquared, beside a dead branch. */
function chain(): { b: GraphBuilder; x: Value; normed: Value; y: Value } {
  const b = new GraphBuilder();
  const x = b.input("x", [2, 3], "f64");
  const normed = b.one("rmsNorm", [x], { width: 3, eps: 0.01 });
  b.one("softcap", [normed], { cap: 2 });
  return { b, x, normed, y: b.one("reluSquared", [normed]) };
}

Deno.test("dropDead() keeps what outputs need, and every node that works in place", () => {
  const { b, y } = chain();
  assertEquals(dropDead(b.build("g", { y })).nodes.map(({ op }) => op), ["rmsNorm", "reluSquared"]);
  const p = b.parameter("p", [3], "f64");
  b.one("applyUpdate", [p, p, b.input("scalars", [8], "f64")], { factor: 1, slot: 0 });
  assertEquals(dropDead(b.build("g", {})).nodes.map(({ op }) => op), ["applyUpdate"]);
});

Deno.test("replaceValues() puts a later value in an earlier one's place and orders the nodes anew", () => {
  const { b, x, normed, y } = chain();
  const copy = b.one("affine", [x], { alpha: 2, beta: 0 });
  const graph = dropDead(replaceValues(b.build("g", { y }), new Map([[normed, copy]])));
  assertEquals(graph.nodes.map(({ op }) => op), ["affine", "reluSquared"]);
  assertClose(interpret(graph, { x: [1, 2, 3, 4, 5, 6] })["y"] ?? [], [4, 16, 36, 64, 100, 144], ROUNDED);
});

Deno.test("replaceValues() refuses a cycle", () => {
  const { b, normed, y } = chain();
  const error = assertThrows(() => replaceValues(b.build("g", { y }), new Map([[normed, y]])), InternalError);
  assert(error.message.includes("cycle"));
});

Deno.test("expandOps() refuses an op that has no expansion", () => {
  const { b, y } = chain();
  const error = assertThrows(() => expandOps(b.build("g", { y }), (op) => op === "rmsNorm"), InternalError);
  assert(error.message.includes("no kernel for rmsNorm"));
  assertEquals(at(expandOps(b.build("g", { y }), () => false).nodes, 0).op, "rmsNorm");
});
