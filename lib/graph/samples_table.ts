// The sample cases themselves, one list an op; samples.ts says what they are for and draws their numbers. Shapes are
// chosen to be awkward: one element, primes, one past a tile or a vector (33, 65, 129), sequences that are no whole
// blocks, head widths from 2 to 130, and one large enough to be cut among threads; at the end of products, attention and head
// those whose rows fast kernels take, with sizes that are no whole tiles. Imports types only.

import type { Shape } from "../base/shape.ts";
import type { OpName } from "./op.ts";
import type { Draw, Sample, SampleInput } from "./samples.ts";
import type { Attrs } from "./node.ts";

const NORMAL: Draw = { kind: "normal", scale: 1 };

const act = (...shape: Shape): SampleInput => ({ shape, type: "act", draw: NORMAL });
const real = (...shape: Shape): SampleInput => ({ shape, type: "real", draw: NORMAL });
const ids = (count: number, below: number): SampleInput => ({
  shape: [count],
  type: "i32",
  draw: { kind: "ids", below },
});
const drawn = (input: SampleInput, draw: Draw): SampleInput => ({ ...input, draw });
const scaled = (input: SampleInput, scale: number) => drawn(input, { kind: "normal", scale });

const SQUARES: Draw = { kind: "reluSquared" };

/** Any shape does for these. */
const SHAPES: readonly Shape[] = [[1], [37], [33, 65], [263, 131]];

/** Elementwise ops over `inputs` activations of one shape. */
function elementwise(inputs: number, attrs: Attrs = {}): Sample[] {
  return SHAPES.map((shape) => ({
    inputs: Array.from({ length: inputs }, () => act(...shape)),
    attrs,
  }));
}

/** Gradients of mixes in each form, with so many summands of the activations' shape. */
function mixGrads(summands: number): Sample[] {
  return SHAPES.flatMap((shape) =>
    [[0, 0, 2], [1, 0, 1], [2, 1, 3]].map(([form = 0, index = 0, size = 1]) => ({
      inputs: [
        ...Array.from({ length: 3 }, () => act(...shape)),
        real(size),
        ...Array.from({ length: summands }, () => act(...shape)),
      ],
      attrs: { form, index },
    }))
  );
}

/** Rows and the width of the norm's groups. */
const NORM_SHAPES = [[1, 1, 1], [7, 2, 2], [33, 65, 65], [77, 48, 16], [129, 130, 130], [
  301,
  768,
  768,
]] as const;

function norms(inputs: number): Sample[] {
  return NORM_SHAPES.flatMap(([rows, columns, width]) =>
    [0.0078125, 1e-7].map((eps) => ({
      inputs: Array.from({ length: inputs }, () => act(rows, columns)),
      attrs: { width, eps },
    }))
  );
}

/** Rows and width of what is mixed and normed: single elements, rests, whole packs, rows too long to be held. */
const MIX_NORM_SHAPES = [[1, 1], [33, 65], [77, 48], [5, 1032], [67, 768]] as const;

/** Mixes with their norms: `activations` tensors before the two coefficients, then `more`. */
function mixNorms(activations: number, more: (x: SampleInput) => SampleInput[], attrs: Attrs = {}): Sample[] {
  return MIX_NORM_SHAPES.map(([rows, width]) => {
    const x = act(rows, width);
    return {
      inputs: [...Array.from({ length: activations }, () => x), real(2), ...more(x)],
      attrs: { ...attrs, eps: 0.0078125 },
    };
  });
}

/** Weights of U-net skips, of which the second is meant. */
const SKIP_WEIGHTS = real(3), SECOND: Attrs = { index: 1 };

/** Rows N in sequences of T, H heads of width D. */
const HEADS = [[1, 1, 1, 2], [77, 77, 3, 16], [66, 33, 2, 34], [258, 129, 1, 130], [130, 65, 5, 64]] as const;

/** Cosines and sines of angles: gradients need them to belong together. */
function angles(T: number, D: number): SampleInput {
  const attrs = { T, D, base: 10000, dtype: "real" };
  return drawn(real(T, D), { kind: "made", op: "ropeTable", of: [], attrs, output: 0 });
}

/** (m, n, k) of products; transA, transB. */
const PRODUCTS = [
  [1, 1, 1, 0, 1],
  [33, 65, 17, 0, 0],
  [129, 131, 67, 0, 1],
  [65, 33, 129, 1, 0],
  [47, 131, 77, 1, 1],
  [1, 131, 64, 0, 1],
  [130, 1, 63, 0, 0],
  [17, 5, 1031, 1, 0],
  [257, 129, 130, 0, 1],
  [96, 192, 128, 0, 0],
  [40, 72, 24, 0, 1],
  [136, 264, 200, 1, 0],
  [33, 40, 104, 0, 0],
  [2, 133, 77, 0, 1],
  [3, 70, 301, 1, 0],
  [7, 65, 131, 0, 0],
] as const;

/** Products; `third` adds a matrix of the result's shape. Types of a, b and the result follow. */
function products(third: boolean): Sample[] {
  return PRODUCTS.flatMap(([m, n, k, transA, transB], i) => {
    const a: Shape = transA ? [k, m] : [m, k];
    const b: Shape = transB ? [n, k] : [k, n];
    const types: ("act" | "real")[][] = [["act", "act", "act"], ["act", "act", "real"]];
    if (i % 3 === 2) types.push(["real", "real", "real"], ["act", "real", "act"], ["real", "act", "real"]);
    return types.map(([typeA = "act", typeB = "act", type = "act"]) => {
      const input = (shape: Shape, of: "act" | "real") => of === "act" ? act(...shape) : real(...shape);
      return {
        inputs: [input(a, typeA), input(b, typeB), ...(third ? [input([m, n], type)] : [])],
        attrs: { transA, transB, dtype: type, ...(third ? {} : { accumulate: 0 }) },
      };
    });
  });
}

/** (m, n, k) of products that end with relu squared or its gradient: around whole rows of 8, one tile, and its neighbours. */
const SQUARED_PRODUCTS = [
  [1, 1, 1],
  [33, 65, 17],
  [7, 131, 64],
  [129, 130, 67],
  [130, 1, 63],
  [257, 129, 130],
  [5, 17, 1031],
  [1, 8, 8],
  [33, 40, 104],
  [96, 192, 128],
  [129, 264, 72],
  [263, 136, 320],
] as const;

/** Products of a (m, k) and b, which is stored (n, k), or for the gradient (k, n) with y (m, n) beside it. */
function squaredProducts(gradient: boolean): Sample[] {
  return SQUARED_PRODUCTS.flatMap(([m, n, k], i) => {
    const types: ("act" | "real")[][] = [["act", "act", "act"]];
    if (i % 3 === 2) types.push(["act", "real", "act"], ["act", "act", "real"], ["real", "real", "real"]);
    return types.map(([typeA = "act", typeB = "act", type = "act"]) => {
      const input = (shape: Shape, of: "act" | "real") => of === "act" ? act(...shape) : real(...shape);
      return gradient
        ? {
          inputs: [input([m, k], typeA), input([k, n], typeB), drawn(input([m, n], type), SQUARES)],
          attrs: {},
        }
        : { inputs: [input([m, k], typeA), input([n, k], typeB)], attrs: { dtype: type } };
    });
  });
}
/** Rows N in sequences of T, H heads of width D, inner size C. */
const HEAD_PRODUCTS = [
  [1, 1, 1, 2, 1],
  [66, 33, 2, 34, 17],
  [77, 77, 3, 16, 65],
  [130, 65, 2, 64, 40],
  [21, 7, 1, 128, 16],
  [12, 4, 3, 128, 8],
  [201, 67, 3, 128, 136],
] as const;

/** (m, n, k) of products that are mixed. */
const MIXED_PRODUCTS = [[1, 1, 1], [33, 65, 17], [129, 131, 67], [21, 40, 24], [70, 24, 8], [
  136,
  328,
  200,
]] as const;

/** Rows N in sequences of T, H heads of width D, window. */
const ATTENTIONS = [
  [1, 1, 1, 2, 1],
  [77, 77, 3, 16, 13],
  [99, 33, 2, 34, 100],
  [129, 129, 1, 128, 64],
  [130, 65, 2, 130, 65],
  [201, 201, 2, 64, 70],
  [65, 65, 1, 2, 7],
  [601, 601, 1, 2, 300],
  [150, 75, 2, 128, 100],
  [65, 65, 1, 64, 33],
  [34, 17, 3, 32, 9],
] as const;

function attentions(gradient: boolean): Sample[] {
  return ATTENTIONS.map(([N, T, H, D, window]) => {
    const attrs = { T, heads: H, window };
    const x = act(N, H * D);
    const start: SampleInput = { shape: [N], type: "i32", draw: { kind: "starts", T, window } };
    if (!gradient) return { inputs: [x, x, x, start], attrs };
    const made = (output: number): Draw => ({
      kind: "made",
      op: "attention",
      of: [1, 2, 3, 6],
      attrs,
      output,
    });
    const inputs = [x, x, x, x, drawn(x, made(0)), drawn(real(N, H), made(1)), start];
    return { inputs, attrs };
  });
}

/** Position of the first of N rows, H heads of width D, rows of the ring, window: at most rows - N + 1. */
const CACHES = [
  [0, 1, 1, 2, 1, 1],
  [0, 5, 3, 16, 77, 70],
  [5, 1, 2, 34, 9, 9],
  [100, 1, 3, 128, 193, 193],
  [4999, 1, 2, 64, 1087, 1024],
  [70, 9, 1, 130, 77, 13],
  [129, 64, 2, 8, 163, 100],
  [1000000, 3, 1, 256, 131, 129],
] as const;

/** A single whole number. */
function position(first: number): SampleInput {
  return { shape: [1], type: "i32", draw: { kind: "uniform", low: first, high: first } };
}

/** Rows N, vocabulary V. */
const LOGITS = [[1, 1], [1, 131], [77, 131], [33, 640], [5, 1031]] as const;

/**
 * Rows N, width C, vocabulary V; the fourth has more rows than the fused head holds logits of at a time, the last so few
 * that two tiles of its logits are watched at every run of the tests.
 */
const HEAD_SHAPES = [[1, 2, 3], [77, 48, 131], [129, 130, 65], [1031, 16, 131], [33, 64, 1031], [
  65,
  136,
  264,
], [5, 8, 300]] as const;

function heads(gradient: boolean): Sample[] {
  return HEAD_SHAPES.flatMap(([N, C, V]) =>
    [30, 2].map((cap) => ({
      // Logits of about two: some of them meet the smaller cap.
      inputs: [
        act(N, C),
        scaled(act(V, C), 2 / Math.sqrt(C)),
        ids(N, V),
        ...(gradient ? [scaled(real(N), 1 / N)] : []),
      ],
      attrs: { cap, ...(gradient ? { accumulate: 0 } : {}) },
    }))
  );
}

const POSITIVE: Draw = { kind: "uniform", low: 0.1, high: 2 };
/** The step's scalar buffer: rate, momentum and bias corrections between 0.5 and 1; nothing halts the update. */
const SCALARS = drawn(real(8), { kind: "uniform", low: 0.5, high: 1, first: 4 });
/** Counters of non-finite elements; what stands in the others must stay. */
const FLAGS = real(5);
const ADAM = { lr: 0.008, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
const MATRICES: readonly Shape[] = [[1, 1], [40, 96], [96, 40], [64, 64], [33, 7], [1, 17], [129, 65], [
  136,
  72,
]];
/** Elements of a tensor, those of a part that has moments, and the first of these. */
const PARTS = [
  [1, 1, 0],
  [37, 37, 0],
  [4099, 4099, 0],
  [37, 11, 13],
  [4099, 1367, 2732],
  [40960, 20480, 20480],
  [9, 1, 0],
] as const;
const BATCHES: readonly Shape[] = [[3, 33, 7], [2, 40, 96], [3, 72, 40]];
/** Elements of a tensor, tensors in the batch, and which of them is meant. */
const SLOTS = [[1, 1, 0], [37, 1, 0], [4099, 1, 0], [37, 3, 1], [1024, 2, 1]] as const;

/** At least one case for every op. */
export const SAMPLES: Readonly<Record<OpName, readonly Sample[]>> = {
  fill: [1, 37, 4099].flatMap((count) =>
    ["act", "real"].map((dtype) => ({ inputs: [], attrs: { count, value: 0.7, dtype } }))
  ),
  cast: SHAPES.flatMap((shape) => [
    { inputs: [act(...shape)], attrs: { dtype: "real" } },
    { inputs: [real(...shape)], attrs: { dtype: "act" } },
    { inputs: [real(...shape)], attrs: { dtype: "real" } },
  ]),
  add: elementwise(2),
  axpby: elementwise(2, { alpha: -1.7, beta: 0.3 }),
  affine: elementwise(1, { alpha: 2.5, beta: -0.6 }),
  scale: SHAPES.flatMap((shape) => [
    { inputs: [act(...shape), real(1)], attrs: { index: 0 } },
    { inputs: [act(...shape), real(5)], attrs: { index: 3 } },
  ]),
  scaleGrad: SHAPES.flatMap((shape) => [
    { inputs: [act(...shape), act(...shape)], attrs: { index: 0, size: 1 } },
    { inputs: [act(...shape), act(...shape)], attrs: { index: 3, size: 5 } },
  ]),
  mix: SHAPES.flatMap((shape) =>
    [[0, 0, 2], [1, 0, 1], [2, 1, 3]].map(([form = 0, index = 0, size = 1]) => ({
      inputs: [act(...shape), act(...shape), real(size)],
      attrs: { form, index },
    }))
  ),
  mixGrad: mixGrads(0),
  mixGradAdd: [
    ...mixGrads(1).map(({ inputs, attrs }, i) => ({ inputs, attrs: { ...attrs, into: i % 2 } })),
    {
      inputs: [act(33, 65), act(33, 65), act(33, 65), real(3), real(3)],
      attrs: { form: 2, index: 1, into: 2 },
    },
    { inputs: [act(37), act(37), act(37), real(2), real(2)], attrs: { form: 0, index: 0, into: 2 } },
  ],
  mixGradAddBoth: mixGrads(2),
  reluSquared: elementwise(1),
  reluSquaredGrad: SHAPES.map((shape) => ({
    inputs: [drawn(act(...shape), SQUARES), act(...shape)],
    attrs: {},
  })),
  softcap: [...elementwise(1, { cap: 30 }), ...elementwise(1, { cap: 0.5 })],
  softcapGrad: [...elementwise(2, { cap: 30 }), ...elementwise(2, { cap: 0.5 })],
  mean: [1, 77, 4099].map((count) => ({ inputs: [real(count)], attrs: {} })),
  broadcast: [1, 77, 4099].map((count) => ({ inputs: [real(1)], attrs: { count, factor: 1 / count } })),
  embed: [[7, 1, 5], [131, 48, 77], [257, 130, 129]].map(([V = 1, C = 1, N = 1]) => ({
    inputs: [real(V, C), ids(N, V)],
    attrs: { dtype: "act" },
  })),
  // The second has many tokens of few kinds, the third few of many.
  embedGrad: [[7, 1, 5], [3, 48, 301], [257, 130, 129]].map(([V = 1, C = 1, N = 1]) => ({
    inputs: [act(N, C), ids(N, V)],
    attrs: { V, accumulate: 0 },
  })),
  selectRow: [[1, 1], [33, 7], [77, 130]].map(([N = 1, C = 1]) => ({
    inputs: [act(N, C), ids(1, N)],
    attrs: {},
  })),
  rmsNorm: norms(1),
  rmsNormGrad: norms(2),
  rmsNormGradAdd: norms(3),
  mixNorm: mixNorms(2, () => []),
  mixNormGrad: mixNorms(4, () => []),
  mixNormGradAdd: mixNorms(4, (x) => [x]),
  mixNormGradAddBoth: mixNorms(4, (x) => [x, x]),
  mixNormSelfGrad: mixNorms(3, () => []),
  mixNormSelfGradAdd: mixNorms(3, (x) => [x]),
  skipMixNorm: mixNorms(2, (x) => [x, SKIP_WEIGHTS], SECOND),
  skipMixNormGrad: mixNorms(4, (x) => [x, SKIP_WEIGHTS], SECOND),
  skipMixNormGradAdd: mixNorms(4, (x) => [x, SKIP_WEIGHTS, x], SECOND),
  skipMixNormGradAddBoth: mixNorms(4, (x) => [x, SKIP_WEIGHTS, x, SKIP_WEIGHTS], SECOND),
  skipMixNormSelfGrad: mixNorms(4, () => [SKIP_WEIGHTS], SECOND),
  skipMixNormSelfGradAdd: mixNorms(4, (x) => [SKIP_WEIGHTS, x], SECOND),
  skipMixNormSelfGradAddBoth: mixNorms(4, (x) => [SKIP_WEIGHTS, x, SKIP_WEIGHTS], SECOND),
  ropeTable: [[1, 2], [77, 16], [129, 130], [2049, 6]].map(([T = 1, D = 2]) => ({
    inputs: [],
    attrs: { T, D, base: 10000, dtype: "real" },
  })),
  ropeTableAt: [[0, 1, 2], [1023, 1, 128], [70000, 77, 16], [1, 129, 130]].map((
    [first = 0, T = 1, D = 2],
  ) => ({
    inputs: [position(first)],
    attrs: { T, D, base: 10000, dtype: "real" },
  })),
  rope: HEADS.flatMap(([N, T, H, D]) =>
    [0, 1].map((inverse) => ({
      inputs: [act(N, H * D), angles(T, D)],
      attrs: { T, heads: H, inverse },
    }))
  ),
  normRope: HEADS.map(([N, T, H, D]) => ({
    inputs: [act(N, H * D), angles(T, D)],
    attrs: { T, heads: H, eps: 0.0078125 },
  })),
  normRopeGrad: HEADS.map(([N, T, H, D]) => ({
    inputs: [act(N, H * D), act(N, H * D), drawn(real(N, H), POSITIVE), angles(T, D)],
    attrs: { T, heads: H },
  })),
  matmul: products(false),
  matmulAdd: products(true),
  matmulReluSquared: squaredProducts(false),
  matmulReluSquaredGrad: squaredProducts(true),
  matmulNormRope: HEAD_PRODUCTS.map(([N, T, H, D, C]) => ({
    inputs: [act(N, C), act(H * D, C), angles(T, D)],
    attrs: { T, heads: H, eps: 0.0078125 },
  })),
  matmulMix: MIXED_PRODUCTS.map(([m, n, k]) => ({
    inputs: [act(m, k), act(n, k), act(m, n), real(1)],
    attrs: {},
  })),
  attentionStart: [[1, 1, 1], [77, 77, 13], [99, 33, 1000], [130, 65, 1]].map((
    [N = 1, T = 1, window = 1],
  ) => ({
    inputs: [{ shape: [N], type: "i32", draw: { kind: "ids", below: 131, eos: 7, share: 0.1 } }],
    attrs: { T, window, eos: 7 },
  })),
  attention: attentions(false),
  attentionGrad: attentions(true),
  cacheRows: CACHES.map(([first, N, H, D, rows]) => ({
    inputs: [act(rows, H * D), act(N, H * D), position(first)],
    attrs: {},
  })),
  attentionCached: CACHES.map(([first, N, H, D, rows, window]) => {
    const x = act(rows, H * D);
    const start: SampleInput = { shape: [N], type: "i32", draw: { kind: "starts", T: N, window, first } };
    return { inputs: [act(N, H * D), x, x, start, position(first)], attrs: { heads: H } };
  }),
  crossEntropy: LOGITS.map(([N, V]) => ({ inputs: [scaled(real(N, V), 3), ids(N, V)], attrs: {} })),
  crossEntropyGrad: LOGITS.map(([N, V]) => ({
    inputs: [scaled(real(N, V), 3), ids(N, V), real(N)],
    attrs: {},
  })),
  headLoss: heads(false),
  headLossGrad: heads(true),
  guard: [{ inputs: [SCALARS, real(1)], attrs: {} }],
  adam: PARTS.map(([whole, count, first], index) => ({
    inputs: [real(whole), real(count), drawn(real(count), POSITIVE), FLAGS, real(whole), SCALARS],
    attrs: { ...ADAM, index: index % 3, ...(count < whole && { first }) },
  })),
  nesterov: SLOTS.map(([count, slots, slot], index) => ({
    inputs: [real(count), slots === 1 ? real(count) : real(slots, count), FLAGS, real(count), SCALARS],
    attrs: { index, slot },
  })),
  frobeniusNormalise: SHAPES.map((shape) => ({
    inputs: [real(...shape)],
    attrs: { eps: 1e-7, dtype: "act" },
  })),
  newtonSchulz: [...MATRICES, ...BATCHES].map((shape) => ({
    inputs: [real(...shape)],
    attrs: { steps: 5, dtype: "act" },
  })),
  applyUpdate: SLOTS.map(([count, slots, slot]) => ({
    inputs: [real(count), slots === 1 ? real(count) : real(slots, count), SCALARS],
    attrs: { factor: 0.06, slot },
  })),
  // Rows N, width C, hidden width F.
  mlp: [[1, 1, 1], [33, 17, 65], [65, 24, 96]].map(([N = 1, C = 1, F = 1]) => ({
    inputs: [act(N, C), real(F, C), real(C, F), act(N, C)],
    attrs: {},
  })),
};
