// Rows of the matrix products, plain and with a sum. `transA` and `transB` say that an operand is stored transposed;
// `dtype` is the result's type. Refuses inner sizes that differ; there are no batched products and no broadcasts. May
// import lib/base and the graph's own types, builder and row helpers; no device and no model.

import { type DType, dtypeCode } from "../../base/dtype.ts";
import { sameShape } from "../../base/shape.ts";
import { at, type Attrs, dtypeAttr, formatType, numberAttr, type TensorType, type Value } from "../node.ts";
import type { OpDef, Signature } from "../op.ts";
import { expect, formOf, inputMatrix, matrix, type Rows } from "./row.ts";

/** (m, n, k) of op(a) op(b). */
export function productSizes(a: TensorType, b: TensorType, attrs: Attrs): [number, number, number] {
  const [a0, a1] = matrix(a.shape);
  const [b0, b1] = matrix(b.shape);
  const [m, k] = numberAttr(attrs, "transA") ? [a1, a0] : [a0, a1];
  const [k2, n] = numberAttr(attrs, "transB") ? [b1, b0] : [b0, b1];
  expect(k === k2, `inner sizes differ: ${formatType(a)} and ${formatType(b)} with ${JSON.stringify(attrs)}`);
  return [m, n, k];
}

function signatureSizes(s: Signature): [number, number, number] {
  return productSizes(at(s.inputs, 0), at(s.inputs, 1), s.attrs);
}

function flops(s: Signature): number {
  const [m, n, k] = signatureSizes(s);
  return 2 * m * n * k;
}

function args(s: Signature): number[] {
  const codes = [at(s.outputs, 0), at(s.inputs, 0), at(s.inputs, 1)].map((t) => dtypeCode(t.dtype));
  return [...signatureSizes(s), numberAttr(s.attrs, "transA"), numberAttr(s.attrs, "transB"), ...codes];
}

/** Attributes of a product whose operands are stored as said and whose result has type `dtype`. */
export function product(transA: number, transB: number, dtype: DType): Attrs {
  return { transA, transB, dtype, accumulate: 0 };
}

/** Gradients of c = op(a) op(b) for a and b, from that of c. */
export const productGradient = ((b, node, d) => {
  const [x, w] = node.inputs;
  const dc = d[0];
  if (!x || !w || !dc) throw new RangeError("matmul takes a and b and has one gradient");
  const [transA, transB] = [numberAttr(node.attrs, "transA"), numberAttr(node.attrs, "transB")];
  const dx = transA
    ? b.one("matmul", [w, dc], product(transB, 1, x.dtype))
    : b.one("matmul", [dc, w], product(0, 1 - transB, x.dtype));
  const dw = transB
    ? b.one("matmul", [dc, x], product(1, transA, w.dtype))
    : b.one("matmul", [x, dc], product(1 - transA, 0, w.dtype));
  return { inputs: [dx, dw] };
}) satisfies OpDef["gradient"];

const gradientOfOne: (dOutputs: readonly (Value | null)[]) => Value | null = (d) => d[0] ?? null;

export const MATRIX_OPS: Rows<"matmul" | "matmulAdd"> = {
  matmul: {
    inputs: ["a", "b"],
    outputs: ["c"],
    infer(inputs, attrs) {
      const [m, n] = productSizes(at(inputs, 0), at(inputs, 1), attrs);
      return [{ shape: [m, n], dtype: dtypeAttr(attrs, "dtype") }];
    },
    gradient: productGradient,
    flops,
    symbol: "nanogpt_matmul",
    args: (s) => [...args(s), numberAttr(s.attrs, "accumulate"), formOf(s)],
    operands: [0, 1],
    forms: true,
    accumulates: [0],
    plus: (_, attrs) => ({ op: "matmulAdd", attrs }),
  },
  matmulAdd: {
    inputs: ["a", "b", "r"],
    outputs: ["c"],
    infer(inputs, attrs) {
      const [m, n] = productSizes(at(inputs, 0), at(inputs, 1), attrs);
      const type = { shape: [m, n], dtype: dtypeAttr(attrs, "dtype") };
      const r = at(inputs, 2);
      expect(
        sameShape(r.shape, type.shape) && r.dtype === type.dtype,
        `r is ${formatType(r)}, expected ${formatType(type)}`,
      );
      return [type];
    },
    gradient(b, node, d) {
      return { inputs: [...productGradient(b, node, d).inputs, gradientOfOne(d)] };
    },
    flops: (s) => flops(s) + inputMatrix(s, 2)[0] * inputMatrix(s, 2)[1],
    symbol: "nanogpt_matmul_add",
    args: (s) => [...args(s), formOf(s)],
    operands: [0, 1],
    forms: true,
    reuses: [2],
    expand(b, inputs, attrs) {
      const transA = numberAttr(attrs, "transA");
      const transB = numberAttr(attrs, "transB");
      const c = b.one("matmul", inputs.slice(0, 2), product(transA, transB, dtypeAttr(attrs, "dtype")));
      return [b.one("add", [at(inputs, 2), c])];
    },
  },
};
