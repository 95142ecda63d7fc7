// Rows of the elementwise ops (sums, scales, mixes, activations, casts) and of the small reductions that
// differentiate them. Broadcasts nothing on its own: operands have equal shapes and types, or are scalars picked by
// index. May import lib/base and the graph's own types, builder and row helpers; no device and no model.

import { realOf } from "../../base/dtype.ts";
import { elementCount } from "../../base/shape.ts";
import type { GraphBuilder } from "../builder.ts";
import { at, dtypeAttr, numberAttr, type TensorType, type Value } from "../node.ts";
import type { OpDef, Signature } from "../op.ts";
import {
  expandGradient,
  expect,
  inputCode,
  inputCount,
  only,
  outputCode,
  outputCount,
  type Rows,
  sameAsFirst,
} from "./row.ts";

/** Forms of `mix`, as kernels/abi.h numbers them. */
export const MIX = { pair: 0, lerp: 1, skip: 2 } as const;

const countFlops = (perElement: number) => (s: Signature) => perElement * outputCount(s);

function expandMix(b: GraphBuilder, [a, c, s]: readonly Value[], form: number, index: number): Value[] {
  if (!a || !c || !s) throw new RangeError("mix takes a, b, s");
  switch (form) {
    case MIX.pair:
      return [b.one("add", [b.one("scale", [a, s], { index: 0 }), b.one("scale", [c, s], { index: 1 })])];
    case MIX.lerp: {
      const rest = b.one("affine", [s], { alpha: -1, beta: 1 });
      return [b.one("add", [b.one("scale", [a, rest], { index: 0 }), b.one("scale", [c, s], { index: 0 })])];
    }
    case MIX.skip:
      return [b.one("add", [a, b.one("scale", [c, s], { index })])];
    default:
      throw new RangeError(`form ${form} of a mix over ${s.dtype}, expected 0, 1 or 2`);
  }
}

/** Sizes and form of a mix, whose scalars are input number `scalars`. */
function mixSizes(s: Signature, scalars: number): number[] {
  return [
    outputCount(s),
    inputCount(s, scalars),
    numberAttr(s.attrs, "form"),
    numberAttr(s.attrs, "index"),
  ];
}

/** Types of da, db, ds, from those of dy, a, b, s. */
function inferMixGrad(inputs: readonly TensorType[]): TensorType[] {
  const [y] = sameAsFirst(inputs, 3);
  const s = at(inputs, 3);
  if (!y) throw new RangeError("mixGrad takes dy, a, b, s");
  return [y, y, { shape: s.shape, dtype: s.dtype }];
}

const mix: OpDef & { expand: NonNullable<OpDef["expand"]> } = {
  inputs: ["a", "b", "s"],
  outputs: ["y"],
  infer: (inputs) => sameAsFirst(inputs, 2),
  gradient(b, node, d) {
    const [a, c, s] = node.inputs;
    if (!a || !c || !s) throw new RangeError("mix takes a, b, s");
    return { inputs: b.apply("mixGrad", [only(d), a, c, s], node.attrs) };
  },
  flops: countFlops(3),
  symbol: "nanogpt_mix",
  args: (s) => [...mixSizes(s, 2), outputCode(s)],
  recompute: true,
  expand: (b, inputs, attrs) => expandMix(b, inputs, numberAttr(attrs, "form"), numberAttr(attrs, "index")),
};

export const ELEMENTWISE_OPS: Rows<
  | "fill"
  | "cast"
  | "add"
  | "axpby"
  | "affine"
  | "scale"
  | "scaleGrad"
  | "mix"
  | "mixGrad"
  | "mixGradAdd"
  | "mixGradAddBoth"
  | "reluSquared"
  | "reluSquaredGrad"
  | "softcap"
  | "softcapGrad"
  | "mean"
  | "broadcast"
> = {
  fill: {
    inputs: [],
    outputs: ["y"],
    infer: (_, attrs) => [{ shape: [numberAttr(attrs, "count")], dtype: dtypeAttr(attrs, "dtype") }],
    gradient: "none",
    flops: () => 0,
    symbol: "nanogpt_fill",
    args: (s) => [outputCount(s), outputCode(s), numberAttr(s.attrs, "value")],
  },
  cast: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs, attrs) => [{ shape: at(inputs, 0).shape, dtype: dtypeAttr(attrs, "dtype") }],
    gradient: (b, node, d) => ({ inputs: [b.one("cast", [only(d)], { dtype: at(node.inputs, 0).dtype })] }),
    flops: () => 0,
    symbol: "nanogpt_cast",
    args: (s) => [outputCount(s), outputCode(s), inputCode(s)],
    recompute: true,
  },
  add: {
    inputs: ["a", "b"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (_b, _node, d) => ({ inputs: [only(d), only(d)] }),
    flops: countFlops(1),
    symbol: "nanogpt_add",
    args: (s) => [outputCount(s), outputCode(s)],
    reuses: [0, 1],
    recompute: true,
  },
  axpby: {
    inputs: ["a", "b"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (b, node, d) => ({
      inputs: [
        b.one("affine", [only(d)], { alpha: numberAttr(node.attrs, "alpha"), beta: 0 }),
        b.one("affine", [only(d)], { alpha: numberAttr(node.attrs, "beta"), beta: 0 }),
      ],
    }),
    flops: countFlops(3),
    symbol: "nanogpt_axpby",
    args: (s) => [outputCount(s), outputCode(s), numberAttr(s.attrs, "alpha"), numberAttr(s.attrs, "beta")],
    reuses: [0, 1],
    recompute: true,
  },
  affine: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (b, node, d) => ({
      inputs: [b.one("affine", [only(d)], { alpha: numberAttr(node.attrs, "alpha"), beta: 0 })],
    }),
    flops: countFlops(2),
    symbol: "nanogpt_affine",
    args: (s) => [outputCount(s), outputCode(s), numberAttr(s.attrs, "alpha"), numberAttr(s.attrs, "beta")],
    reuses: [0],
    recompute: true,
  },
  scale: {
    inputs: ["x", "s"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs, 1),
    gradient(b, node, d) {
      const [x, s] = node.inputs;
      if (!x || !s) throw new RangeError("scale takes x, s");
      const dx = b.one("scale", [only(d), s], node.attrs);
      const size = elementCount(s.shape);
      return {
        inputs: [dx, b.one("scaleGrad", [only(d), x], { index: numberAttr(node.attrs, "index"), size })],
      };
    },
    flops: countFlops(1),
    symbol: "nanogpt_scale",
    args: (s) => [outputCount(s), inputCount(s, 1), numberAttr(s.attrs, "index"), outputCode(s)],
    recompute: true,
  },
  scaleGrad: {
    inputs: ["dy", "x"],
    outputs: ["ds"],
    infer(inputs, attrs) {
      sameAsFirst(inputs);
      return [{ shape: [numberAttr(attrs, "size")], dtype: realOf(at(inputs, 0).dtype) }];
    },
    gradient: "none",
    flops: (s) => 2 * inputCount(s),
    symbol: "nanogpt_scale_grad",
    args: (s) => [inputCount(s), outputCount(s), numberAttr(s.attrs, "index"), inputCode(s)],
  },
  mix,
  mixGrad: {
    inputs: ["dy", "a", "b", "s"],
    outputs: ["da", "db", "ds"],
    infer: inferMixGrad,
    gradient: "none",
    flops: countFlops(6),
    symbol: "nanogpt_mix_grad",
    args: (s) => [...mixSizes(s, 3), outputCode(s)],
    reuses: [0],
    plus: (output, attrs) => ({ op: "mixGradAdd", attrs: { ...attrs, into: output } }),
    expand(b, [dy, ...primal], attrs) {
      if (!dy) throw new RangeError("mixGrad takes dy, a, b, s");
      return expandGradient(b, mix, primal, attrs, dy).gradients.map((g) => {
        if (!g) throw new RangeError("every input of mix has a gradient");
        return g;
      });
    },
  },
  mixGradAdd: {
    inputs: ["dy", "a", "b", "s", "r"],
    outputs: ["da", "db", "ds"],
    infer(inputs, attrs) {
      const outputs = inferMixGrad(inputs);
      sameAsFirst([at(outputs, numberAttr(attrs, "into")), at(inputs, 4)]);
      return outputs;
    },
    gradient: "none",
    flops: (s) => 6 * outputCount(s) + inputCount(s, 4),
    symbol: "nanogpt_mix_grad_add",
    args: (s) => [...mixSizes(s, 3), numberAttr(s.attrs, "into"), outputCode(s)],
    reuses: [0],
    plus(output, { into, ...attrs }) {
      return into === 0 && output === 1 ? { op: "mixGradAddBoth", attrs } : undefined;
    },
    expand(b, inputs, { into, ...attrs }) {
      return b.apply("mixGrad", inputs.slice(0, 4), attrs).map((output, i) =>
        i === into ? b.one("add", [at(inputs, 4), output]) : output
      );
    },
  },
  mixGradAddBoth: {
    inputs: ["dy", "a", "b", "s", "ra", "rb"],
    outputs: ["da", "db", "ds"],
    infer(inputs) {
      const outputs = inferMixGrad(inputs);
      sameAsFirst([at(outputs, 0), ...inputs.slice(4)]);
      return outputs;
    },
    gradient: "none",
    flops: countFlops(8),
    symbol: "nanogpt_mix_grad_add_both",
    args: (s) => [...mixSizes(s, 3), outputCode(s)],
    reuses: [0, 4],
    expand(b, inputs, attrs) {
      const [da, db, ds] = b.apply("mixGrad", inputs.slice(0, 4), attrs);
      if (!da || !db || !ds) throw new RangeError("mixGrad has three outputs");
      return [b.one("add", [at(inputs, 4), da]), b.one("add", [at(inputs, 5), db]), ds];
    },
  },
  reluSquared: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (b, node, d) => ({ inputs: [b.one("reluSquaredGrad", [at(node.outputs, 0), only(d)])] }),
    flops: countFlops(2),
    symbol: "nanogpt_relu_squared",
    args: (s) => [outputCount(s), outputCode(s)],
    recompute: true,
  },
  reluSquaredGrad: {
    inputs: ["y", "dy"],
    outputs: ["dx"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: "none",
    flops: countFlops(3),
    symbol: "nanogpt_relu_squared_grad",
    args: (s) => [outputCount(s), outputCode(s)],
    reuses: [1],
  },
  softcap: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: (b, node, d) => ({ inputs: [b.one("softcapGrad", [at(node.inputs, 0), only(d)], node.attrs)] }),
    flops: countFlops(20),
    symbol: "nanogpt_softcap",
    args: (s) => [outputCount(s), outputCode(s), numberAttr(s.attrs, "cap")],
  },
  softcapGrad: {
    inputs: ["x", "dy"],
    outputs: ["dx"],
    infer: (inputs) => sameAsFirst(inputs),
    gradient: "none",
    flops: countFlops(22),
    symbol: "nanogpt_softcap_grad",
    args: (s) => [outputCount(s), outputCode(s), numberAttr(s.attrs, "cap")],
  },
  mean: {
    inputs: ["x"],
    outputs: ["y"],
    infer: (inputs) => [{ shape: [1], dtype: realOf(at(inputs, 0).dtype) }],
    gradient: (b, node, d) => ({
      inputs: [
        b.one("broadcast", [only(d)], {
          count: elementCount(at(node.inputs, 0).shape),
          factor: 1 / elementCount(at(node.inputs, 0).shape),
        }),
      ],
    }),
    flops: (s) => inputCount(s),
    symbol: "nanogpt_mean",
    args: (s) => [inputCount(s)],
  },
  broadcast: {
    inputs: ["s"],
    outputs: ["y"],
    infer(inputs, attrs) {
      expect(elementCount(at(inputs, 0).shape) === 1, "expected one element");
      return [{ shape: [numberAttr(attrs, "count")], dtype: at(inputs, 0).dtype }];
    },
    gradient: "none",
    flops: (s) => outputCount(s),
    symbol: "nanogpt_broadcast",
    args: (s) => [outputCount(s), numberAttr(s.attrs, "factor")],
  },
};
