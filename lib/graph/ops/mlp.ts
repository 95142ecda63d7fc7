// Rows of the multilayer perceptron: products that end with relu squared or its gradient, and the whole of it. Only the
// square is kept for the backward pass: its root is all that the gradient needs. Transpositions are those of a linear layer
// and of its input's gradient. Refuses inner sizes that differ. May import the graph's own types, builder and row helpers;
// no device and no model.

import { dtypeCode } from "../../base/dtype.ts";
import { at, dtypeAttr, type TensorType } from "../node.ts";
import type { OpDef, Signature } from "../op.ts";
import { product, productSizes } from "./matrices.ts";
import { expect, formOf, matrix, only, outputCount, type Rows, sameAsFirst } from "./row.ts";

const LINEAR = { transA: 0, transB: 1 }, LINEAR_GRAD = { transA: 0, transB: 0 };

/** Sizes, types and form, as the kernels take them. */
function args(s: Signature, stored: typeof LINEAR): number[] {
  const [a, b, c] = [at(s.inputs, 0), at(s.inputs, 1), at(s.outputs, 0)];
  return [...productSizes(a, b, stored), ...[c, a, b].map(({ dtype }) => dtypeCode(dtype)), formOf(s)];
}

/** Of a product, with so many more an element. */
function flops(s: Signature, more: number): number {
  const [, k] = matrix(at(s.inputs, 0).shape);
  return (2 * k + more) * outputCount(s);
}

const matmulReluSquared: OpDef = {
  inputs: ["a", "b"],
  outputs: ["y"],
  infer(inputs, attrs) {
    const [m, n] = productSizes(at(inputs, 0), at(inputs, 1), LINEAR);
    return [{ shape: [m, n], dtype: dtypeAttr(attrs, "dtype") }];
  },
  gradient(b, node, d) {
    const [x, w, y] = [at(node.inputs, 0), at(node.inputs, 1), at(node.outputs, 0)];
    const dz = b.one("reluSquaredGrad", [y, only(d)]);
    return {
      inputs: [
        b.one("matmul", [dz, w], product(0, 0, x.dtype)),
        b.one("matmul", [dz, x], product(1, 0, w.dtype)),
      ],
    };
  },
  flops: (s) => flops(s, 2),
  symbol: "nanogpt_matmul_relu_squared",
  args: (s) => args(s, LINEAR),
  operands: [0, 1],
  forms: true,
  expand: (b, inputs, attrs) => [
    b.one("reluSquared", [b.one("matmul", inputs, product(0, 1, dtypeAttr(attrs, "dtype")))]),
  ],
};

const matmulReluSquaredGrad: OpDef = {
  inputs: ["a", "b", "y"],
  outputs: ["c"],
  infer(inputs) {
    const y = at(inputs, 2);
    const [m, n] = productSizes(at(inputs, 0), at(inputs, 1), LINEAR_GRAD);
    return sameAsFirst([{ shape: [m, n], dtype: y.dtype }, y]);
  },
  gradient: "none",
  flops: (s) => flops(s, 3),
  symbol: "nanogpt_matmul_relu_squared_grad",
  args: (s) => args(s, LINEAR_GRAD),
  operands: [0, 1],
  forms: true,
  reuses: [2],
  expand(b, inputs) {
    const y = at(inputs, 2);
    return [b.one("reluSquaredGrad", [y, b.one("matmul", inputs.slice(0, 2), product(0, 0, y.dtype))])];
  },
};

/** Types of out and y. */
function inferMlp(inputs: readonly TensorType[]): TensorType[] {
  const [h, up, down, r] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
  const [m, hidden] = productSizes(h, up, LINEAR);
  const y = { shape: [m, hidden], dtype: h.dtype };
  const [, n] = productSizes(y, down, LINEAR);
  return [...sameAsFirst([{ shape: [m, n], dtype: h.dtype }, r]), y];
}

/** out = r + y down^T with y = max(h up^T, 0)^2. */
const mlp: OpDef = {
  inputs: ["h", "up", "down", "r"],
  outputs: ["out", "y"],
  infer: inferMlp,
  gradient(b, node, d) {
    const [h, up, down] = [at(node.inputs, 0), at(node.inputs, 1), at(node.inputs, 2)];
    const y = at(node.outputs, 1);
    const dOut = only(d);
    expect(!d[1], "y of mlp is there for its gradient and has none of its own");
    // That of down first: the next one may then lie where y does.
    const dDown = b.one("matmul", [dOut, y], product(1, 0, down.dtype));
    const dz = b.one("matmulReluSquaredGrad", [dOut, down, y]);
    const dh = b.one("matmul", [dz, up], product(0, 0, h.dtype));
    const dUp = b.one("matmul", [dz, h], product(1, 0, up.dtype));
    return { inputs: [dh, dUp, dDown, dOut] };
  },
  flops(s) {
    const [m, hidden] = matrix(at(s.outputs, 1).shape);
    const [, k] = matrix(at(s.inputs, 0).shape);
    const [, n] = matrix(at(s.outputs, 0).shape);
    return m * hidden * (2 * k + 2) + m * n * (2 * hidden + 1);
  },
  symbol: null,
  args: () => [],
  expand(b, inputs) {
    const [h, up, down, r] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
    const y = b.one("matmulReluSquared", [h, up], { dtype: h.dtype });
    return [b.one("matmulAdd", [y, down, r], product(0, 1, h.dtype)), y];
  },
};

export const MLP_OPS: Rows<"matmulReluSquared" | "matmulReluSquaredGrad" | "mlp"> = {
  matmulReluSquared,
  matmulReluSquaredGrad,
  mlp,
};
