// Rows of the ops that work on rows of activations: embedding, selection of a row, norms, rotary positions, and norm
// and rotation in one. No token, row index or length is checked here, where no values are: that is for the kernels.
// May import lib/base and the graph's own types, builder and row helpers; no device and no model.

import { realOf } from "../../base/dtype.ts";
import { at, type Attrs, dtypeAttr, numberAttr, type TensorType } from "../node.ts";
import type { Signature } from "../op.ts";
import {
  expect,
  inputCode,
  inputMatrix,
  matrix,
  only,
  outputCode,
  outputCount,
  type Rows,
  sameAsFirst,
} from "./row.ts";

/** (rows, width): the norm's groups, `width` neighbouring elements each. */
function groups(s: Signature): [number, number] {
  const width = numberAttr(s.attrs, "width");
  return [outputCount(s) / width, width];
}

/** (N, T, H, D) of a tensor of heads, the first output. */
export function heads(s: Signature): [number, number, number, number] {
  const [N, C] = matrix(at(s.outputs, 0).shape);
  const H = numberAttr(s.attrs, "heads");
  return [N, numberAttr(s.attrs, "T"), H, C / H];
}

/** A table of rotary angles: a row for each position. */
function tableType(attrs: Attrs): TensorType {
  return { shape: [numberAttr(attrs, "T"), numberAttr(attrs, "D")], dtype: dtypeAttr(attrs, "dtype") };
}

function tableArgs(attrs: Attrs): number[] {
  return [numberAttr(attrs, "T"), numberAttr(attrs, "D"), numberAttr(attrs, "base")];
}

export const ROW_OPS: Rows<
  | "embed"
  | "embedGrad"
  | "selectRow"
  | "rmsNorm"
  | "rmsNormGrad"
  | "rmsNormGradAdd"
  | "ropeTable"
  | "ropeTableAt"
  | "rope"
  | "normRope"
  | "normRopeGrad"
> = {
  embed: {
    inputs: ["table", "tokens"],
    outputs: ["y"],
    infer(inputs, attrs) {
      const [, C] = matrix(at(inputs, 0).shape);
      return [{ shape: [at(at(inputs, 1).shape, 0), C], dtype: dtypeAttr(attrs, "dtype") }];
    },
    gradient(b, node, d) {
      const [V] = matrix(at(node.inputs, 0).shape);
      return { inputs: [b.one("embedGrad", [only(d), at(node.inputs, 1)], { V, accumulate: 0 }), null] };
    },
    flops: () => 0,
    symbol: "nanogpt_embed",
    args(s) {
      const [V, C] = inputMatrix(s, 0);
      return [at(at(s.inputs, 1).shape, 0), C, V, outputCode(s)];
    },
  },
  embedGrad: {
    inputs: ["dy", "tokens"],
    outputs: ["dtable"],
    infer(inputs, attrs) {
      const dy = at(inputs, 0);
      return [{ shape: [numberAttr(attrs, "V"), matrix(dy.shape)[1]], dtype: realOf(dy.dtype) }];
    },
    gradient: "none",
    flops: (s) => inputMatrix(s, 0)[0] * inputMatrix(s, 0)[1],
    symbol: "nanogpt_embed_grad",
    args(s) {
      const [N, C] = inputMatrix(s, 0);
      return [N, C, numberAttr(s.attrs, "V"), numberAttr(s.attrs, "accumulate"), inputCode(s)];
    },
    accumulates: [0],
  },
  selectRow: {
    inputs: ["x", "index"],
    outputs: ["y"],
    infer: (inputs) => [{ shape: [1, matrix(at(inputs, 0).shape)[1]], dtype: at(inputs, 0).dtype }],
    gradient: "none",
    flops: () => 0,
    symbol: "nanogpt_select_row",
    args: (s) => [...inputMatrix(s, 0), inputCode(s)],
  },
  rmsNorm: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (b, node, d) => ({ inputs: [b.one("rmsNormGrad", [at(node.inputs, 0), only(d)], node.attrs)] }),
    flops: (s) => 4 * outputCount(s),
    symbol: "nanogpt_rms_norm",
    args: (s) => [...groups(s), outputCode(s), numberAttr(s.attrs, "eps")],
    recompute: true,
  },
  rmsNormGrad: {
    inputs: ["x", "dy"],
    outputs: ["dx"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: "none",
    flops: (s) => 8 * outputCount(s),
    symbol: "nanogpt_rms_norm_grad",
    args: (s) => [...groups(s), outputCode(s), numberAttr(s.attrs, "eps")],
    reuses: [1],
    plus: (_, attrs) => ({ op: "rmsNormGradAdd", attrs }),
  },
  rmsNormGradAdd: {
    inputs: ["x", "dy", "r"],
    outputs: ["dx"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: "none",
    flops: (s) => 9 * outputCount(s),
    symbol: "nanogpt_rms_norm_grad_add",
    args: (s) => [...groups(s), outputCode(s), numberAttr(s.attrs, "eps")],
    reuses: [2, 1],
    expand: (
      b,
      inputs,
      attrs,
    ) => [b.one("add", [at(inputs, 2), b.one("rmsNormGrad", inputs.slice(0, 2), attrs)])],
  },
  ropeTable: {
    inputs: [],
    outputs: ["table"],
    infer: (_, attrs) => [tableType(attrs)],
    gradient: "none",
    flops: (s) => 40 * outputCount(s),
    symbol: "nanogpt_rope_table",
    args: (s) => tableArgs(s.attrs),
  },
  ropeTableAt: {
    inputs: ["position"],
    outputs: ["table"],
    infer: (_, attrs) => [tableType(attrs)],
    gradient: "none",
    flops: (s) => 40 * outputCount(s),
    symbol: "nanogpt_rope_table_at",
    args: (s) => tableArgs(s.attrs),
  },
  rope: {
    inputs: ["x", "table"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs, 1),
    gradient(b, node, d) {
      const inverse = 1 - numberAttr(node.attrs, "inverse");
      return { inputs: [b.one("rope", [only(d), at(node.inputs, 1)], { ...node.attrs, inverse }), null] };
    },
    flops: (s) => 3 * outputCount(s),
    symbol: "nanogpt_rope",
    args: (s) => [...heads(s), numberAttr(s.attrs, "inverse"), outputCode(s)],
    recompute: true,
  },
  normRope: {
    inputs: ["x", "table"],
    outputs: ["y", "r"],
    infer(inputs, attrs) {
      const { shape, dtype } = at(inputs, 0);
      const [N] = matrix(shape);
      const T = numberAttr(attrs, "T");
      expect(N % T === 0, `rows ${N} are not whole sequences of ${T}`);
      return [{ shape, dtype }, { shape: [N, numberAttr(attrs, "heads")], dtype: realOf(dtype) }];
    },
    gradient(b, node, d) {
      const [y, r] = node.outputs;
      if (!y || !r) throw new RangeError("normRope makes y and r");
      return { inputs: [b.one("normRopeGrad", [only(d), y, r, at(node.inputs, 1)], node.attrs), null] };
    },
    flops: (s) => 7 * outputCount(s),
    symbol: "nanogpt_norm_rope",
    args: (s) => [...heads(s), outputCode(s), numberAttr(s.attrs, "eps")],
    reuses: [0],
  },
  normRopeGrad: {
    inputs: ["dy", "y", "r", "table"],
    outputs: ["dx"],
    infer: (inputs) => sameAsFirst(inputs, 2),
    gradient: "none",
    flops: (s) => 11 * outputCount(s),
    symbol: "nanogpt_norm_rope_grad",
    args: (s) => [...heads(s), outputCode(s)],
    reuses: [0],
  },
};
