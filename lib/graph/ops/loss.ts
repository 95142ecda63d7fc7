// Rows of the loss: cross-entropy over logits, and the fused head (product, cap, loss and gradients), which never
// holds the logits of more than one chunk of rows. Losses stay one a row: their mean is an op of its own, in
// elementwise.ts. Refuses operands whose widths differ. May import lib/base and the graph's own types, builder and
// row helpers; no device and no model.

import { bytesOf, dtypeCode, realOf } from "../../base/dtype.ts";
import type { GraphBuilder } from "../builder.ts";
import { at, numberAttr, type Value } from "../node.ts";
import type { OpDef, Signature } from "../op.ts";
import { product } from "./matrices.ts";
import { expandGradient, expect, formOf, inputMatrix, matrix, type Rows } from "./row.ts";

/** Rows of logits held at a time by the fused head (kernels/abi.h: chunk), unless the plan sets the attribute `chunk`. */
const HEAD_CHUNK = 1024;

/** (N, C, V, chunk) of the fused head; x is input 0, w is input 1. */
function headSizes(s: Signature): [number, number, number, number] {
  const [N, C] = inputMatrix(s, 0);
  const [V, C2] = inputMatrix(s, 1);
  expect(C === C2, `x has ${C} columns and w ${C2}`);
  const chunk = s.attrs.chunk === undefined ? HEAD_CHUNK : numberAttr(s.attrs, "chunk");
  return [N, C, V, Math.min(chunk, N)];
}

/** Logits, then what the CPU sums dx in or where a GPU keeps sums by tiles of 256 logits, then a few numbers a row. */
function headWorkspace(s: Signature): number {
  const [, C, V, chunk] = headSizes(s);
  const sums = Math.max(C, Math.ceil(V / 256));
  return chunk * V * bytesOf(at(s.inputs, 0).dtype) + chunk * sums * 4 + chunk * 64;
}

function expandHead(b: GraphBuilder, inputs: readonly Value[], attrs: Signature["attrs"]): Value[] {
  const [x, w, targets] = inputs;
  if (!x || !w || !targets) throw new RangeError("headLoss takes x, w, targets");
  const z = b.one("matmul", [x, w], product(0, 1, realOf(x.dtype)));
  const logits = b.one("softcap", [z], { cap: numberAttr(attrs, "cap") });
  return [b.one("crossEntropy", [logits, targets])];
}

const headLoss: OpDef & { expand: NonNullable<OpDef["expand"]> } = {
  inputs: ["x", "w", "targets"],
  outputs: ["losses"],
  infer(inputs) {
    const x = at(inputs, 0);
    return [{ shape: [matrix(x.shape)[0]], dtype: realOf(x.dtype) }];
  },
  gradient(b, node, d) {
    const dLosses = d[0];
    const [x, w, targets] = node.inputs;
    if (!dLosses || !x || !w || !targets) throw new RangeError("headLoss lacks an input or its gradient");
    const [losses, dx, dw] = b.apply("headLossGrad", [x, w, targets, dLosses], {
      ...node.attrs,
      accumulate: 0,
    });
    if (!losses || !dx || !dw) throw new RangeError("headLossGrad has three outputs");
    return { inputs: [dx, dw, null], replaces: [losses] };
  },
  flops(s) {
    const [N, C, V] = headSizes(s);
    return 2 * N * C * V + 40 * N * V;
  },
  symbol: "nanogpt_head_loss",
  args(s) {
    return [...headSizes(s), dtypeCode(at(s.inputs, 0).dtype), formOf(s), numberAttr(s.attrs, "cap")];
  },
  workspace: headWorkspace,
  chunked: true,
  operands: [0, 1],
  forms: true,
  expand: expandHead,
};

export const LOSS_OPS: Rows<"crossEntropy" | "crossEntropyGrad" | "headLoss" | "headLossGrad"> = {
  crossEntropy: {
    inputs: ["logits", "targets"],
    outputs: ["losses"],
    infer: (inputs) => [{ shape: [matrix(at(inputs, 0).shape)[0]], dtype: at(inputs, 0).dtype }],
    gradient(b, node, d) {
      const dLosses = d[0];
      const [logits, targets] = node.inputs;
      if (!dLosses || !logits || !targets) {
        throw new RangeError("crossEntropy lacks an input or its gradient");
      }
      return { inputs: [b.one("crossEntropyGrad", [logits, targets, dLosses]), null] };
    },
    flops: (s) => 20 * inputMatrix(s, 0)[0] * inputMatrix(s, 0)[1],
    symbol: "nanogpt_cross_entropy",
    args: (s) => inputMatrix(s, 0),
  },
  crossEntropyGrad: {
    inputs: ["logits", "targets", "dlosses"],
    outputs: ["dlogits"],
    infer: (inputs) => [{ shape: at(inputs, 0).shape, dtype: at(inputs, 0).dtype }],
    gradient: "none",
    flops: (s) => 40 * inputMatrix(s, 0)[0] * inputMatrix(s, 0)[1],
    symbol: "nanogpt_cross_entropy_grad",
    args: (s) => inputMatrix(s, 0),
  },
  headLoss,
  headLossGrad: {
    inputs: ["x", "w", "targets", "dlosses"],
    outputs: ["losses", "dx", "dw"],
    infer(inputs) {
      const [x, w] = [at(inputs, 0), at(inputs, 1)];
      const real = realOf(x.dtype);
      return [
        { shape: [matrix(x.shape)[0]], dtype: real },
        { shape: x.shape, dtype: x.dtype },
        { shape: w.shape, dtype: real },
      ];
    },
    gradient: "none",
    flops(s) {
      const [N, C, V] = headSizes(s);
      return 6 * N * C * V + 80 * N * V;
    },
    symbol: "nanogpt_head_loss_grad",
    args(s) {
      const accumulate = numberAttr(s.attrs, "accumulate");
      return [
        ...headSizes(s),
        accumulate,
        dtypeCode(at(s.inputs, 0).dtype),
        formOf(s),
        numberAttr(s.attrs, "cap"),
      ];
    },
    workspace: headWorkspace,
    chunked: true,
    operands: [0, 1],
    forms: true,
    accumulates: [2],
    expand(b, inputs, attrs) {
      const { outputs, gradients } = expandGradient(b, headLoss, inputs.slice(0, 3), attrs, at(inputs, 3));
      const [dx, dw] = gradients;
      if (!dx || !dw) throw new RangeError("headLoss has gradients for x and w");
      return [at(outputs, 0), dx, dw];
    },
  },
};
