// Rows of attention. The mask is an interval: row n sees rows start[n] .. n, which `attentionStart` computes once
// from documents and window; no other form of mask exists. There is no expansion into plain ops, so every device
// needs its own kernels. May import lib/base and the graph's own types, builder and row helpers; no device and no
// model.

import { dtypeCode, realOf } from "../../base/dtype.ts";
import { at, numberAttr } from "../node.ts";
import type { Signature } from "../op.ts";
import { formOf, matrix, type Rows, sameAsFirst } from "./row.ts";

/** (N, T, H, D, type code) of the tensor that input `i` is. */
function sizes(s: Signature, i: number): [number, number, number, number, number] {
  const [N, C] = matrix(at(s.inputs, i).shape);
  const H = numberAttr(s.attrs, "heads");
  return [N, numberAttr(s.attrs, "T"), H, C / H, dtypeCode(at(s.inputs, i).dtype)];
}

/** Pairs of query and key that a causal window lets through, documents not counted: what a plan can know. */
function pairs(s: Signature, i: number): number {
  const [N, T] = sizes(s, i);
  const window = Math.min(numberAttr(s.attrs, "window"), T);
  return (N / T) * (window * (window + 1) / 2 + (T - window) * window);
}

export const ATTENTION_OPS: Rows<"attentionStart" | "attention" | "attentionGrad"> = {
  attentionStart: {
    inputs: ["tokens"],
    outputs: ["start"],
    infer: (inputs) => [{ shape: at(inputs, 0).shape, dtype: "i32" }],
    gradient: "none",
    flops: () => 0,
    symbol: "nanogpt_attention_start",
    args: (s) => [
      at(at(s.inputs, 0).shape, 0),
      numberAttr(s.attrs, "T"),
      numberAttr(s.attrs, "window"),
      numberAttr(s.attrs, "eos"),
    ],
  },
  attention: {
    inputs: ["q", "k", "v", "start"],
    outputs: ["y", "lse"],
    infer(inputs, attrs) {
      const [y] = sameAsFirst(inputs, 3);
      if (!y) throw new RangeError("attention takes q, k, v, start");
      return [y, { shape: [matrix(y.shape)[0], numberAttr(attrs, "heads")], dtype: realOf(y.dtype) }];
    },
    gradient(b, node, d) {
      const dy = d[0];
      const [q, k, v, start] = node.inputs;
      const [y, lse] = node.outputs;
      if (!dy || !q || !k || !v || !start || !y || !lse) {
        throw new RangeError("attention lacks an input or its gradient");
      }
      return { inputs: [...b.apply("attentionGrad", [dy, q, k, v, y, lse, start], node.attrs), null] };
    },
    flops: (s) => 4 * pairs(s, 0) * matrix(at(s.inputs, 0).shape)[1],
    symbol: "nanogpt_attention",
    args: (s) => [...sizes(s, 0), formOf(s)],
    forms: true,
  },
  attentionGrad: {
    inputs: ["dy", "q", "k", "v", "y", "lse", "start"],
    outputs: ["dq", "dk", "dv"],
    infer(inputs) {
      const [type] = sameAsFirst(inputs, 5);
      if (!type) throw new RangeError("attentionGrad takes dy, q, k, v, y, lse, start");
      return [type, type, type];
    },
    gradient: "none",
    flops: (s) => 10 * pairs(s, 1) * matrix(at(s.inputs, 1).shape)[1],
    symbol: "nanogpt_attention_grad",
    args: (s) => [...sizes(s, 1), formOf(s)],
    forms: true,
    workspace(s) {
      const [N, T, H, D] = sizes(s, 1);
      // Where blocks add to dq: float32, whole tiles of 64 queries.
      const sums = s.attrs.form === "wgmmaAdd" ? N / T * Math.ceil(T / 64) * 64 * H * D : 0;
      return (sums + N * H) * 4;
    },
  },
};
