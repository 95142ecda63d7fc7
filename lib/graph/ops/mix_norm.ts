// Rows of the residual mix and the norm that follows it, in one pass each way: x = s0 a + s1 b, y = norm(x), where a may have
// a U-net skip added first. Backward x is made again, so that nobody keeps it; a value mixed with itself has one gradient,
// not two to be added. Rows without a kernel stand between a gradient and the one with all its summands. May import the graph's
// own types, builder and row helpers; no device and no model.

import type { GraphBuilder } from "../builder.ts";
import { at, type Attrs, numberAttr, type TensorType, type Value } from "../node.ts";
import type { GradientRule, OpDef, OpName, Signature } from "../op.ts";
import { MIX } from "./elementwise.ts";
import { expect, inputCount, matrix, outputCode, outputCount, type Rows, sameAsFirst } from "./row.ts";

/** Inputs of the forward pass; those of a skip are left out where there is none. */
const INPUTS = ["a", "b", "s", "skip", "w"] as const;

/** Which of the inputs a gradient takes, and gives the gradients of; where b or skip is missing, it is a itself. */
const TAKEN = { pair: [0, 1, 2], self: [0, 2], skip: [0, 1, 2, 3, 4], skipSelf: [0, 1, 2, 4] } as const;

const PAIR: Attrs = { form: MIX.pair, index: 0 };

function skipOf(attrs: Attrs): Attrs {
  return { form: MIX.skip, index: numberAttr(attrs, "index") };
}

function normOf(x: TensorType, attrs: Attrs): Attrs {
  return { width: matrix(x.shape)[1], eps: numberAttr(attrs, "eps") };
}

/** (rows, width), of a skip its weights' number and its own among them, type code, eps; `w`: which input the weights are. */
function args(s: Signature, w: number): number[] {
  const skip = w < 0 ? [] : [inputCount(s, w), numberAttr(s.attrs, "index")];
  return [...matrix(at(s.outputs, 0).shape), ...skip, outputCode(s), numberAttr(s.attrs, "eps")];
}

/** Refuses matrices that differ, and other than two coefficients. */
function checkMixed(matrices: readonly TensorType[], s: TensorType): void {
  sameAsFirst(matrices).forEach(({ shape }) => matrix(shape));
  expect(s.shape.length === 1 && s.shape[0] === 2, "expected two coefficients");
}

/** x before its norm: a and a skip, mixed with b. */
function mixed(b: GraphBuilder, [a, other, s, skip, w]: readonly Value[], attrs: Attrs): [Value, Value] {
  if (!a || !other || !s) throw new RangeError("a mix takes a, b, s");
  const sum = skip && w ? b.one("mix", [a, skip, w], skipOf(attrs)) : a;
  return [sum, b.one("mix", [sum, other, s], PAIR)];
}

/** Gradients of a, b, s, and of skip and w where they are, by plain ops from those of x and y; one of the two may be missing. */
function plainGradients(
  b: GraphBuilder,
  inputs: readonly Value[],
  dx: Value | undefined,
  dy: Value | undefined,
  attrs: Attrs,
): Value[] {
  const [a, other, s, skip, w] = inputs;
  const [sum, x] = mixed(b, inputs, attrs);
  const norm = normOf(x, attrs);
  const d = !dy ? dx : dx ? b.one("rmsNormGradAdd", [x, dy, dx], norm) : b.one("rmsNormGrad", [x, dy], norm);
  if (!a || !other || !s || !d) throw new RangeError("a mix lacks an input or its gradient");
  const [dSum, ...rest] = b.apply("mixGrad", [d, sum, other, s], PAIR);
  if (!dSum) throw new RangeError("mixGrad makes three gradients");
  if (!skip || !w) return [dSum, ...rest];
  const [da, ...ofSkip] = b.apply("mixGrad", [dSum, a, skip, w], skipOf(attrs));
  return da ? [da, ...rest, ...ofSkip] : [];
}

const gradient: GradientRule = (b, node, [dx, dy]) => {
  const [a, other, , skip] = node.inputs;
  if (!dx || !dy) {
    return { inputs: plainGradients(b, node.inputs, dx ?? undefined, dy ?? undefined, node.attrs) };
  }
  const [op, taken] = skip
    ? skip === a ? ["skipMixNormSelfGrad", TAKEN.skipSelf] as const : ["skipMixNormGrad", TAKEN.skip] as const
    : other === a
    ? ["mixNormSelfGrad", TAKEN.self] as const
    : ["mixNormGrad", TAKEN.pair] as const;
  const found = b.apply(op, [dy, dx, ...taken.map((i) => at(node.inputs, i))], node.attrs);
  const place = new Map<number, Value>(taken.map((i, k) => [i, at(found, k)]));
  return { inputs: node.inputs.map((_, i) => place.get(i) ?? null) };
};

function forwardRow(symbol: string, hasSkip: boolean): OpDef {
  const inputs = hasSkip ? INPUTS : INPUTS.slice(0, 3);
  return {
    inputs,
    outputs: ["x", "y"],
    infer(types) {
      const [a, b, s] = [at(types, 0), at(types, 1), at(types, 2)];
      checkMixed(hasSkip ? [a, b, at(types, 3)] : [a, b], s);
      return [a, a].map(({ shape, dtype }) => ({ shape, dtype }));
    },
    gradient,
    flops: (s) => (hasSkip ? 9 : 7) * outputCount(s),
    symbol,
    args: (s) => args(s, inputs.indexOf("w")),
    recompute: true,
    expand(b, values, attrs) {
      const [, x] = mixed(b, values, attrs);
      return [x, b.one("rmsNorm", [x], normOf(x, attrs))];
    },
  };
}

/** What a gradient becomes where a summand for output number `output` is there. */
interface Next {
  readonly output: number;
  readonly op: OpName;
}

/** A gradient from those of y and x; r0, r1 are added to the outputs numbered `into`. */
function gradientRow(
  symbol: string | null,
  taken: readonly number[],
  into: readonly number[],
  next?: Next,
): OpDef {
  const names = taken.map((i) => at(INPUTS, i));
  const summands = 2 + taken.length;
  const inputs = ["dy", "dx", ...names, ...into.map((_, k) => `r${k}`)];
  return {
    inputs,
    outputs: names.map((name) => `d${name}`),
    infer(types) {
      const activations = taken.flatMap((i, k) => i === 2 || i === 4 ? [] : [at(types, 2 + k)]);
      checkMixed([...types.slice(0, 2), ...activations], at(types, 2 + taken.indexOf(2)));
      into.forEach((output, k) => sameAsFirst([at(types, 2 + output), at(types, summands + k)]));
      return names.map((_, k) => at(types, 2 + k)).map(({ shape, dtype }) => ({ shape, dtype }));
    },
    gradient: "none",
    flops: (s) => (9 + 4 * taken.length) * outputCount(s),
    symbol,
    args: (s) => args(s, inputs.indexOf("w")),
    reuses: into[0] === 0 ? [1, 0, summands] : [1, 0],
    ...(next && {
      plus: (output: number, attrs: Attrs) => output === next.output ? { op: next.op, attrs } : undefined,
    }),
    expand(b, values, attrs) {
      const all = taken.includes(4) ? INPUTS : INPUTS.slice(0, 3);
      const primal = all.map((_, i) => at(values, 2 + Math.max(taken.indexOf(i), 0)));
      const found = plainGradients(b, primal, at(values, 1), at(values, 0), attrs);
      const left = found.filter((_, i) => !taken.includes(i));
      const outputs = taken.map((i, k) =>
        k > 0 ? at(found, i) : left.reduce((sum, more) => b.one("add", [sum, more]), at(found, i))
      );
      return outputs.map((output, o) => {
        const k = into.indexOf(o);
        return k < 0 ? output : b.one("add", [at(values, summands + k), output]);
      });
    },
  };
}

const { pair, self, skip, skipSelf } = TAKEN;

export const MIX_NORM_OPS: Rows<
  | "mixNorm"
  | "mixNormGrad"
  | "mixNormGradAdd"
  | "mixNormGradAddBoth"
  | "mixNormSelfGrad"
  | "mixNormSelfGradAdd"
  | "skipMixNorm"
  | "skipMixNormGrad"
  | "skipMixNormGradAdd"
  | "skipMixNormGradAddBoth"
  | "skipMixNormSelfGrad"
  | "skipMixNormSelfGradAdd"
  | "skipMixNormSelfGradAddBoth"
> = {
  mixNorm: forwardRow("nanogpt_mix_norm", false),
  mixNormGrad: gradientRow(null, pair, [], { output: 0, op: "mixNormGradAdd" }),
  mixNormGradAdd: gradientRow(null, pair, [0], { output: 1, op: "mixNormGradAddBoth" }),
  mixNormGradAddBoth: gradientRow("nanogpt_mix_norm_grad_add_both", pair, [0, 1]),
  mixNormSelfGrad: gradientRow(null, self, [], { output: 0, op: "mixNormSelfGradAdd" }),
  mixNormSelfGradAdd: gradientRow("nanogpt_mix_norm_self_grad_add", self, [0]),
  skipMixNorm: forwardRow("nanogpt_skip_mix_norm", true),
  skipMixNormGrad: gradientRow("nanogpt_skip_mix_norm_grad", skip, [], {
    output: 1,
    op: "skipMixNormGradAdd",
  }),
  skipMixNormGradAdd: gradientRow(null, skip, [1], { output: 4, op: "skipMixNormGradAddBoth" }),
  skipMixNormGradAddBoth: gradientRow("nanogpt_skip_mix_norm_grad_add_both", skip, [1, 4]),
  skipMixNormSelfGrad: gradientRow(null, skipSelf, [], { output: 1, op: "skipMixNormSelfGradAdd" }),
  skipMixNormSelfGradAdd: gradientRow(null, skipSelf, [1], { output: 3, op: "skipMixNormSelfGradAddBoth" }),
  skipMixNormSelfGradAddBoth: gradientRow("nanogpt_skip_mix_norm_self_grad_add_both", skipSelf, [1, 3]),
};
