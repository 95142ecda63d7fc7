// Rows of the optimiser ops: the guard before them, Adam, Nesterov momentum, Newton-Schulz orthogonalisation, the
// update of a parameter. Nothing is differentiated through them; what lasts from step to step is updated in place.
// The schedule is not known here: its values come in the step's scalar buffer. May import lib/base and the graph's
// own types, builder and row helpers; no device and no model.

import { bytesOf, dtypeCode } from "../../base/dtype.ts";
import { elementCount, sameShape, type Shape } from "../../base/shape.ts";
import type { GraphBuilder } from "../builder.ts";
import { at, type Attrs, dtypeAttr, formatType, numberAttr, type TensorType, type Value } from "../node.ts";
import type { Signature } from "../op.ts";
import { product } from "./matrices.ts";
import {
  expect,
  formOf,
  inputCode,
  inputCount,
  matrix,
  outputCode,
  outputCount,
  type Rows,
  sameAsFirst,
} from "./row.ts";

/** Coefficients of the quintic iteration and the norm's guard (Keller Jordan's Muon, 2024-10). */
const QUINTIC = { a: 3.4445, b: -4.7750, c: 2.0315, eps: 1e-7 };

const firsts = (inputs: readonly TensorType[], count: number): TensorType[] =>
  inputs.slice(0, count).map(({ shape, dtype }) => ({ shape, dtype }));

/** Tensors of type `one` that the batch `all` [n, ...] has room for (or `all` is one itself), and which is meant. */
function slotOf(one: TensorType, all: TensorType, attrs: Attrs): { slots: number; slot: number } {
  const [slots = 1, ...shape] = sameShape(one.shape, all.shape) ? [1, ...all.shape] : all.shape;
  const slot = numberAttr(attrs, "slot");
  expect(
    sameShape(one.shape, shape) && one.dtype === all.dtype && slot < slots,
    `expected ${formatType(one)}, or a batch of more than ${slot} of them, found ${formatType(all)}`,
  );
  return { slots, slot };
}

/** Bytes that pass through memory when the first input is updated in place by one slot of a batch of such tensors. */
const slotBytes = (s: Signature, passes: number) => passes * inputCount(s) * bytesOf(at(s.inputs, 0).dtype);

/** Where in p and g Adam's moments begin: at the attribute `first`, or 0. */
const firstOf = ({ first = 0 }: Attrs): number => numberAttr({ first }, "first");

/** Matrices, rows and columns of a matrix or of a batch of them. */
function matrices(shape: Shape): [number, number, number] {
  const [batch, ...one] = shape.length === 3 ? shape : [1, ...shape];
  return [batch ?? 1, ...matrix(one)];
}

/** Matrices of the first input, and their shorter and longer side. */
function sidesOf(s: Signature): { batch: number; short: number; long: number } {
  const [batch, rows, columns] = matrices(at(s.inputs, 0).shape);
  return { batch, short: Math.min(rows, columns), long: Math.max(rows, columns) };
}

function expandNewtonSchulz(b: GraphBuilder, inputs: readonly Value[], attrs: Attrs): Value[] {
  const input = at(inputs, 0);
  const [rows, columns] = matrix(input.shape);
  const dtype = dtypeAttr(attrs, "dtype");
  const tall = rows > columns ? 1 : 0;
  let x = b.one("frobeniusNormalise", [input], { eps: QUINTIC.eps, dtype });
  for (let step = 0; step < numberAttr(attrs, "steps"); step++) {
    // The recipe transposes a tall matrix; X^T X and a product from the right are the same without moving it.
    const s = b.one("matmul", [x, x], product(tall, 1 - tall, dtype));
    const s2 = b.one("matmul", [s, s], product(0, 0, dtype));
    const poly = b.one("axpby", [s, s2], { alpha: QUINTIC.b, beta: QUINTIC.c });
    const px = b.one("matmul", tall ? [x, poly] : [poly, x], product(0, 0, dtype));
    x = b.one("axpby", [x, px], { alpha: QUINTIC.a, beta: 1 });
  }
  return [x.dtype === input.dtype ? x : b.one("cast", [x], { dtype: input.dtype })];
}

export const OPTIMISER_OPS: Rows<
  "guard" | "adam" | "nesterov" | "frobeniusNormalise" | "newtonSchulz" | "applyUpdate"
> = {
  guard: {
    inputs: ["scalars", "loss"],
    outputs: ["scalars"],
    infer: (inputs) => firsts(inputs, 1),
    gradient: "none",
    flops: () => 0,
    symbol: "nanogpt_guard",
    args: () => [],
    inPlace: { 0: 0 },
  },
  adam: {
    inputs: ["p", "m", "v", "flags", "g", "scalars"],
    outputs: ["p", "m", "v", "flags"],
    infer(inputs, attrs) {
      const [p, m, v, g] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 4)];
      sameAsFirst([p, g]);
      sameAsFirst([m, v]);
      const first = firstOf(attrs);
      expect(
        first >= 0 && first + elementCount(m.shape) <= elementCount(p.shape) && m.dtype === p.dtype,
        `expected moments of ${formatType(p)} or of a part of it that begins at ${first}, found ${
          formatType(m)
        }`,
      );
      return firsts(inputs, 4);
    },
    gradient: "none",
    flops: (s) => 12 * inputCount(s, 1),
    symbol: "nanogpt_adam",
    args: (s) => [
      inputCount(s, 1),
      firstOf(s.attrs),
      numberAttr(s.attrs, "index"),
      numberAttr(s.attrs, "lr"),
      numberAttr(s.attrs, "beta1"),
      numberAttr(s.attrs, "beta2"),
      numberAttr(s.attrs, "eps"),
    ],
    bytes(s) { // of p and g only the part
      const bytes = (i: number) => inputCount(s, i) * bytesOf(at(s.inputs, i).dtype);
      return 7 * bytes(1) + 2 * bytes(3) + bytes(5);
    },
    inPlace: { 0: 0, 1: 1, 2: 2, 3: 3 },
  },
  nesterov: {
    inputs: ["m", "u", "flags", "g", "scalars"],
    outputs: ["m", "u", "flags"],
    infer(inputs, attrs) {
      slotOf(at(inputs, 0), at(inputs, 1), attrs);
      return firsts(inputs, 3);
    },
    gradient: "none",
    flops: (s) => 4 * inputCount(s),
    symbol: "nanogpt_nesterov",
    args(s) {
      const { slots, slot } = slotOf(at(s.inputs, 0), at(s.inputs, 1), s.attrs);
      return [inputCount(s), numberAttr(s.attrs, "index"), slots, slot];
    },
    bytes: (s) => slotBytes(s, 4), // g read, m read and written, u written
    inPlace: { 0: 0, 1: 1, 2: 2 },
  },
  frobeniusNormalise: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs, attrs) => [{ shape: at(inputs, 0).shape, dtype: dtypeAttr(attrs, "dtype") }],
    gradient: "none",
    flops: (s) => 3 * inputCount(s),
    symbol: "nanogpt_frobenius_normalise",
    args: (s) => [inputCount(s), outputCode(s), inputCode(s), numberAttr(s.attrs, "eps")],
  },
  newtonSchulz: {
    inputs: ["x"],
    outputs: ["y"],
    infer(inputs) {
      matrices(at(inputs, 0).shape);
      return firsts(inputs, 1);
    },
    gradient: "none",
    flops(s) {
      const { batch, short, long } = sidesOf(s);
      return batch * numberAttr(s.attrs, "steps") * (4 * short * short * long + 2 * short ** 3);
    },
    symbol: "nanogpt_newton_schulz",
    args: (s) => [
      ...matrices(at(s.inputs, 0).shape),
      numberAttr(s.attrs, "steps"),
      dtypeCode(dtypeAttr(s.attrs, "dtype")),
      formOf(s),
    ],
    forms: true,
    workspace(s) {
      const { batch, short, long } = sidesOf(s);
      return batch * (2 * long * short + 2 * short * short) * 4;
    },
    batched: true,
    expand: expandNewtonSchulz,
  },
  applyUpdate: {
    inputs: ["p", "u", "scalars"],
    outputs: ["p"],
    infer(inputs, attrs) {
      slotOf(at(inputs, 0), at(inputs, 1), attrs);
      return firsts(inputs, 1);
    },
    gradient: "none",
    flops: (s) => 2 * outputCount(s),
    symbol: "nanogpt_apply_update",
    args(s) {
      const { slots, slot } = slotOf(at(s.inputs, 0), at(s.inputs, 1), s.attrs);
      return [outputCount(s), slots, slot, numberAttr(s.attrs, "factor")];
    },
    bytes: (s) => slotBytes(s, 3), // p read and written, u read
    inPlace: { 0: 0 },
  },
};
