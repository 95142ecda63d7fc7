// Rows of the products that make queries, keys and values, each with what its sums go through before they are stored: norm
// and rotary positions of each head, or the mix with the first block's values. `b` is stored transposed, as weights are. What
// is kept of them is what their gradients need. May import lib/base and the graph's own types, builder and row helpers;
// no device and no model.

import { realOf } from "../../base/dtype.ts";
import { sameShape } from "../../base/shape.ts";
import type { GraphBuilder } from "../builder.ts";
import { at, type Attrs, formatType, numberAttr, type TensorType, type Value } from "../node.ts";
import type { GradientRule, Signature } from "../op.ts";
import { MIX } from "./elementwise.ts";
import { product, productGradient } from "./matrices.ts";
import { expect, formOf, inputCode, inputMatrix, matrix, only, outputCount, type Rows } from "./row.ts";
import { heads } from "./rows.ts";

/** The type of a b^T, which has that of a's elements. */
function productType(a: TensorType, b: TensorType): TensorType {
  const [m, k] = matrix(a.shape);
  const [n, k2] = matrix(b.shape);
  expect(k === k2, `inner sizes differ: ${formatType(a)} and ${formatType(b)}`);
  return { shape: [m, n], dtype: a.dtype };
}

function productFlops(s: Signature): number {
  return 2 * outputCount(s) * inputMatrix(s, 0)[1];
}

function plainProduct(b: GraphBuilder, [x, w]: readonly Value[]): Value {
  if (!x || !w) throw new RangeError("a product takes a and b");
  return b.one("matmul", [x, w], product(0, 1, x.dtype));
}

/** Gradients of a and b from that of a b^T. */
function ofProduct(b: GraphBuilder, node: Parameters<GradientRule>[1], dc: Value) {
  return productGradient(b, { ...node, attrs: product(0, 1, dc.dtype) }, [dc]).inputs;
}

const LERP: Attrs = { form: MIX.lerp, index: 0 };

export const QKV_OPS: Rows<"matmulNormRope" | "matmulMix"> = {
  matmulNormRope: {
    inputs: ["a", "b", "table"],
    outputs: ["y", "r"],
    infer(inputs, attrs) {
      const y = productType(at(inputs, 0), at(inputs, 1));
      const [N] = matrix(y.shape);
      const T = numberAttr(attrs, "T");
      expect(N % T === 0, `rows ${N} are not whole sequences of ${T}`);
      return [y, { shape: [N, numberAttr(attrs, "heads")], dtype: realOf(y.dtype) }];
    },
    gradient(b, node, d) {
      const [y, r] = node.outputs;
      if (!y || !r) throw new RangeError("matmulNormRope makes y and r");
      const dc = b.one("normRopeGrad", [only(d), y, r, at(node.inputs, 2)], node.attrs);
      return { inputs: [...ofProduct(b, node, dc), null] };
    },
    flops: (s) => productFlops(s) + 7 * outputCount(s),
    symbol: "nanogpt_matmul_norm_rope",
    args: (s) => [
      ...[...heads(s), inputMatrix(s, 0)[1], inputCode(s, 0), inputCode(s, 1)],
      ...[formOf(s), numberAttr(s.attrs, "eps")],
    ],
    operands: [0, 1],
    forms: true,
    expand: (b, inputs, attrs) => b.apply("normRope", [plainProduct(b, inputs), at(inputs, 2)], attrs),
  },
  matmulMix: {
    inputs: ["a", "b", "v1", "s"],
    outputs: ["y", "own"],
    infer(inputs) {
      const y = productType(at(inputs, 0), at(inputs, 1));
      const v1 = at(inputs, 2);
      expect(
        sameShape(v1.shape, y.shape) && v1.dtype === y.dtype,
        `v1 is ${formatType(v1)}, expected ${formatType(y)}`,
      );
      return [y, y];
    },
    gradient(b, node, d) {
      const [, , v1, s] = node.inputs;
      const own = node.outputs[1];
      if (!v1 || !s || !own) throw new RangeError("matmulMix takes a, b, v1, s and makes own");
      const [dOwn, dV1, dS] = b.apply("mixGrad", [only(d), own, v1, s], LERP);
      if (!dOwn || !dV1 || !dS) throw new RangeError("mixGrad makes three gradients");
      const more = d[1];
      const dc = more ? b.one("add", [dOwn, more]) : dOwn;
      return { inputs: [...ofProduct(b, node, dc), dV1, dS] };
    },
    flops: (s) => productFlops(s) + 3 * outputCount(s),
    symbol: "nanogpt_matmul_mix",
    args(s) {
      const [m, k] = inputMatrix(s, 0);
      return [m, inputMatrix(s, 1)[0], k, inputCode(s, 0), inputCode(s, 1), formOf(s)];
    },
    operands: [0, 1],
    forms: true,
    expand(b, inputs) {
      const own = plainProduct(b, inputs);
      return [b.one("mix", [own, at(inputs, 2), at(inputs, 3)], LERP), own];
    },
  },
};
