// How far a device's op may lie from the reference device, each with its reason. An element e of an output may be off by
// |e| times the rounding of the output's type, plus what the arithmetic inside may add: `inside` float32 roundings and,
// for bf16 activations, `insideBf16` bf16 roundings, of |e| and of the size of what is summed. Imports lib/base and the
// graph.

import type { DType } from "../base/dtype.ts";
import type { Tolerance } from "../base/compare.ts";
import { InternalError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import { at, numberAttr } from "../graph/node.ts";
import type { OpName } from "../graph/op.ts";
import { OPS } from "../graph/ops.ts";
import type { Case } from "../graph/samples.ts";
import { MARKS } from "./marks.ts";

/** A case with its numbers. */
export interface Weighed {
  readonly case: Case;
  /** Inputs as the device gets them: rounded to their types. */
  readonly inputs: readonly Float64Array[];
  readonly expected: readonly Float64Array[];
}

/** Largest relative error of rounding to a type: half the spacing of its numbers at 1. */
const ROUNDING: Readonly<Record<DType, number>> = { f64: 2 ** -53, f32: 2 ** -24, bf16: 2 ** -8, i32: 0 };

interface Row {
  readonly reason: string;
  /** Float32 roundings inside, as a multiple of `size`. */
  readonly inside: (c: Case) => number;
  readonly insideBf16?: number;
  /** The size that errors inside are measured in; left out: root mean square of the expected output. */
  readonly size?: (w: Weighed, output: number) => number;
}

/** What output number `output` of a case may differ by. */
export function toleranceOf(w: Weighed, output: number): Tolerance {
  const type = at(w.case.outputs, output).dtype;
  const narrow = [...w.case.inputs, ...w.case.outputs].some(({ dtype }) => dtype === "bf16") ||
    w.case.attrs.dtype === "bf16";
  if (w.case.op === "newtonSchulz") return { mark: MARKS[narrow ? "bf16" : "fp32"].newtonSchulz };
  const row = OP_TOLERANCES[w.case.op];
  if (row === null) throw new InternalError(`${w.case.op} has no kernel to be judged`);
  const inside = row.inside(w.case) * ROUNDING.f32 + (narrow ? (row.insideBf16 ?? 0) * ROUNDING.bf16 : 0);
  if (inside === 0) return { relative: ROUNDING[type] };
  const size = row.size ? row.size(w, output) : rms(at(w.expected, output));
  return { relative: ROUNDING[type] + inside, absolute: inside * size };
}

/**
 * Of attention's dq and dk: (dy.v - dy.y) k / sqrt(D) is 0 where queries see a single key, for then y is v; the size of
 * either summand, D products of dy and v, is what its roundings are measured in.
 */
function sizeOfCancelled(w: Weighed, output: number): number {
  return rms(input(w, 0)) * rms(input(w, 3)) * rms(input(w, output === 0 ? 2 : 1));
}

/** Root mean square. */
function rms(x: Float64Array): number {
  return norm(x) / Math.sqrt(x.length);
}

function norm(x: Float64Array): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}

function largest(x: Float64Array): number {
  let found = 0;
  for (const value of x) found = Math.max(found, Math.abs(value));
  return found;
}

const few = () => 16;
const one: Row = { reason: "exact but for the rounding to the output's type", inside: () => 0 };
const pointwise: Row = { reason: "a few float32 roundings an element", inside: few };

const angles: Row = { reason: "cosines and sines of double angles, rounded", inside: () => 1 };

const input = (w: Weighed, i: number) => at(w.inputs, i);

/** Terms of the sums of a product. */
function innerSize(c: Case): number {
  const [a = 1, b = 1] = at(c.inputs, 0).shape;
  return c.attrs.transA === 1 ? a : b;
}

const products: Row = {
  reason: "K float32 roundings for sums of K terms; bf16 products are exact in float32",
  inside: (c) => innerSize(c) + 4,
};

/** Largest 1/rms over the norm's groups of input `x`, times the size of input `dy`: before the projection cancels. */
function normGradSize(x: number, dy: number, width: (c: Case) => number): NonNullable<Row["size"]> {
  return (w) => {
    const [values, group] = [input(w, x), width(w.case)];
    let smallest = Infinity;
    for (let start = 0; start < values.length; start += group) {
      smallest = Math.min(smallest, rms(values.subarray(start, start + group)));
    }
    const eps = numberAttr(w.case.attrs, "eps");
    return largest(input(w, dy)) / Math.sqrt(smallest ** 2 + eps);
  };
}

/** The gradient of a mix, or that and summands. */
const mixGrad: Row = {
  reason: "a few float32 roundings an element; ds a long sum, measured in the norms of its factors",
  inside: few,
  size: (w, output) =>
    output < 2 ? rms(at(w.expected, output)) : norm(input(w, 0)) * (norm(input(w, 1)) + norm(input(w, 2))),
};

/** The gradient of a norm, or that and a summand. */
const normGrad: Row = {
  reason: "a few float32 roundings of its two terms, which may cancel",
  inside: few,
  size: normGradSize(0, 1, (c) => numberAttr(c.attrs, "width")),
};

/** Of the mixed rows of inputs from number `first` on: the largest summand, and the smallest root mean square of a row. */
function mixedSizes(w: Weighed, first: number): { summand: number; row: number } {
  const names = OPS[w.case.op].inputs;
  const named = (name: string) => {
    const i = names.indexOf(name);
    return i < 0 ? undefined : input(w, i);
  };
  const a = input(w, first), s = named("s") ?? [];
  const b = named("b") ?? a;
  const weight = at([...named("w") ?? [0]], named("w") ? numberAttr(w.case.attrs, "index") : 0);
  const skip = named("skip") ?? a;
  const [s0 = NaN, s1 = NaN] = s;
  const x = a.map((value, i) => s0 * (value + weight * (skip[i] ?? NaN)) + s1 * (b[i] ?? NaN));
  const [, width = 1] = at(w.case.inputs, first).shape;
  let row = Infinity;
  for (let i = 0; i < x.length; i += width) row = Math.min(row, rms(x.subarray(i, i + width)));
  const summand = Math.max(
    Math.abs(s0) * largest(a),
    Math.abs(s0 * weight) * largest(skip),
    Math.abs(s1) * largest(b),
  );
  return { summand, row: Math.hypot(row, Math.sqrt(numberAttr(w.case.attrs, "eps"))) };
}

const mixNorm: Row = {
  reason:
    "a few float32 roundings of the summands, which may cancel; y divides them by the row's root mean square",
  inside: few,
  size(w, output) {
    const { summand, row } = mixedSizes(w, 0);
    return output === 0 ? summand : summand / row;
  },
};

/** The gradient of a mix with its norm, or that and summands. */
const mixNormGrad: Row = {
  reason:
    "a few float32 roundings of dx, of the norm's two terms and of the summands that the row is mixed of",
  inside: few,
  size(w, output) {
    const { summand, row } = mixedSizes(w, 2);
    const dRow = largest(input(w, 1)) + largest(input(w, 0)) * (1 + summand / row) / row;
    const { shape } = at(w.case.outputs, output);
    if (shape.length > 1) return dRow * (1 + summand);
    // ds and dw: sums of products with activations of size about 1.
    return dRow * Math.sqrt(elementCount(at(w.case.inputs, 0).shape)) * norm(input(w, 2)) * (1 + summand);
  },
};

const headWidth = (c: Case) => (at(c.inputs, 0).shape[1] ?? NaN) / numberAttr(c.attrs, "heads");

/** The bounds, op by op; null where no device has a kernel. Newton-Schulz has the pass marks of golden files instead. */
const OP_TOLERANCES: Readonly<Record<OpName, Row | null>> = {
  fill: one,
  cast: one,
  add: one,
  axpby: pointwise,
  affine: pointwise,
  scale: one,
  scaleGrad: {
    reason: "a long sum in double, over float32 products: measured in the norms of its factors",
    inside: few,
    size: (w) => norm(input(w, 0)) * norm(input(w, 1)),
  },
  mix: pointwise,
  mixGrad,
  mixGradAdd: mixGrad,
  mixGradAddBoth: mixGrad,
  reluSquared: pointwise,
  reluSquaredGrad: pointwise,
  softcap: {
    reason: "tanh to a few float32 roundings, of the cap where it saturates",
    inside: few,
    size: (w) => largest(at(w.expected, 0)),
  },
  softcapGrad: {
    reason: "1 - tanh^2 to a few float32 roundings",
    inside: few,
    size: (w) => largest(input(w, 1)),
  },
  mean: { reason: "a long sum in double", inside: few, size: (w) => rms(input(w, 0)) },
  broadcast: { reason: "one product", inside: () => 2 },
  embed: one,
  embedGrad: { reason: "sums of at most N terms", inside: (c) => at(at(c.inputs, 0).shape, 0) },
  selectRow: one,
  rmsNorm: pointwise,
  rmsNormGrad: normGrad,
  rmsNormGradAdd: normGrad,
  mixNorm,
  mixNormGrad: null,
  mixNormGradAdd: null,
  mixNormGradAddBoth: mixNormGrad,
  mixNormSelfGrad: null,
  mixNormSelfGradAdd: mixNormGrad,
  skipMixNorm: mixNorm,
  skipMixNormGrad: mixNormGrad,
  skipMixNormGradAdd: null,
  skipMixNormGradAddBoth: mixNormGrad,
  skipMixNormSelfGrad: null,
  skipMixNormSelfGradAdd: null,
  skipMixNormSelfGradAddBoth: mixNormGrad,
  ropeTable: angles,
  ropeTableAt: angles,
  rope: pointwise,
  normRope: pointwise,
  normRopeGrad: {
    reason: "a few float32 roundings of its two terms, which may cancel",
    inside: few,
    size: (w) => largest(input(w, 2)) * largest(input(w, 0)) * (1 + largest(input(w, 1))),
  },
  matmul: products,
  matmulAdd: products,
  matmulReluSquared: {
    reason: "the square of a product: twice its relative error, and near 0 that of sums which cancel",
    inside: (c) => 3 * (innerSize(c) + 4),
  },
  matmulReluSquaredGrad: {
    reason: "K float32 roundings for sums of K terms, of the largest factor 2 sqrt(y)",
    inside: (c) => innerSize(c) + 8,
    size: (w) =>
      2 * Math.sqrt(largest(input(w, 2)) * innerSize(w.case)) * rms(input(w, 0)) * rms(input(w, 1)),
  },
  matmulNormRope: {
    reason:
      "sums of C terms, then a few roundings; bf16: the product rounded before it is rotated, where terms may cancel",
    inside: (c) => innerSize(c) + 16,
    insideBf16: 2,
    size: (w, output) => largest(at(w.expected, output)),
  },
  matmulMix: {
    reason:
      "sums of K terms, then a few roundings; bf16: the product rounded before it is mixed, where terms may cancel",
    inside: (c) => innerSize(c) + 4,
    insideBf16: 1,
    size: (w) => largest(at(w.expected, 1)) * (1 + largest(input(w, 3))),
  },
  attentionStart: { reason: "whole numbers", inside: () => 0 },
  attention: {
    reason: "scores of D terms, exponentials, sums of at most N; bf16: probabilities rounded",
    inside: (c) => 64 + headWidth(c),
    insideBf16: 2,
    size: (w, output) => output === 0 ? rms(at(w.expected, 0)) : 1,
  },
  attentionGrad: {
    reason:
      "probabilities as in attention, then sums of at most N; bf16: both factors of each product rounded",
    inside: (c) => 64 + headWidth({ ...c, inputs: c.inputs.slice(1) }) + at(at(c.inputs, 0).shape, 0),
    insideBf16: 6,
    size: (w, output) => rms(at(w.expected, output)) || sizeOfCancelled(w, output),
  },
  cacheRows: one,
  attentionCached: {
    reason: "scores of D terms, exponentials, sums over the keys; probabilities stay float32",
    inside: (c) => 64 + headWidth(c),
  },
  crossEntropy: {
    reason: "exponentials and a logarithm of float32 logits",
    inside: few,
    size: (w) => 1 + largest(input(w, 0)),
  },
  crossEntropyGrad: {
    reason: "probabilities to a few float32 roundings of the logits",
    inside: few,
    size: (w) => largest(input(w, 2)) * (1 + largest(input(w, 0))),
  },
  headLoss: {
    reason: "logits of C terms; bf16: logits rounded",
    inside: (c) => 64 + at(at(c.inputs, 0).shape, 1),
    insideBf16: 1,
    size: (w) => 2 + largest(at(w.expected, 0)),
  },
  headLossGrad: {
    reason:
      "logits of C terms, sums of V (dx) and N (dw) of p - 1 that may cancel; bf16: logits of up to about 8 " +
      "rounded, which makes probabilities off by 8 roundings",
    inside: (c) => 64 + at(at(c.inputs, 0).shape, 0) + at(at(c.inputs, 0).shape, 1),
    insideBf16: 8,
    size(w, output) {
      if (output === 0) return 2 + largest(at(w.expected, 0));
      return Math.max(
        rms(at(w.expected, output)),
        largest(input(w, 3)) * rms(input(w, output === 1 ? 1 : 0)),
      );
    },
  },
  guard: one,
  adam: { reason: "a few float32 roundings; the step is at most about the rate", inside: few },
  nesterov: pointwise,
  frobeniusNormalise: { reason: "a long sum in double, one quotient", inside: few },
  newtonSchulz: { reason: "the pass marks of golden files, in the norm", inside: () => 0 },
  applyUpdate: pointwise,
  mlp: null,
};
