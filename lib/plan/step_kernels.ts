// A plan's steps as GPU kernels: group, FLOPs, bytes and what decides their speed. A step is one kernel, but for
// attention's gradient, the head and Newton-Schulz, which no GPU does in one. Takes plans of bf16 training; prices
// nothing. May import the graph and lib/plan.

import { InternalError } from "../base/errors.ts";
import { at } from "../graph/node.ts";
import type { OpName } from "../graph/op.ts";
import { ACCUMULATE_FIRST, ACCUMULATE_LAST, ACCUMULATE_NEXT, REFRESH } from "./build.ts";
import {
  type Counted,
  type Exchange,
  type Group,
  headKernels,
  type Kernel,
  passKernel,
  productKernel,
} from "./kernels.ts";
import {
  type KernelStep,
  type Kind,
  lastingOf,
  type Plan,
  programOf,
  type Step,
  tensorBytes,
} from "./plan.ts";
import type { ProductForm } from "./targets.ts";
import { shapesOf } from "./text.ts";

/** How a plan's programs make up one rank's training step. */
export interface StepShape {
  /** The rank's own. */
  readonly microbatches: number;
  /** Keys that attention visits for a token. */
  readonly keys: number;
}

/** A step of the plan, where it stands, and its kernels. */
export interface PlannedStep {
  readonly program: string;
  readonly index: number;
  readonly step: KernelStep;
  readonly kernels: readonly Counted[];
}

/** The kernel calls of one rank's training step, in order; each with how often it runs. */
export function plannedSteps(plan: Plan, shape: StepShape): PlannedStep[] {
  const programs: [string, number][] = [
    [ACCUMULATE_FIRST, 1],
    [ACCUMULATE_NEXT, shape.microbatches - 1],
    ["update", 1],
    [REFRESH, 1],
  ];
  return programs.filter(([, count]) => count > 0).flatMap(([program, count]) =>
    programOf(plan, program).steps.flatMap((step, index) => {
      if (step.kind === "collective") return [];
      const group = program === REFRESH ? "optimisers" : groupOf(step);
      const kernels = kernelsOf(step, group, shape.keys).map((kernel) => ({ kernel, count }));
      return [{ program, index, step, kernels }];
    })
  );
}

/** What a rank exchanges in a step: gradients beside the backward pass but for the last bucket, parameters beside nothing. */
export function plannedExchange(plan: Plan): Exchange {
  const stepsOf = (name: string) => plan.programs.get(name)?.steps ?? [];
  const bytesOf = (steps: readonly Step[], wanted: Kind) =>
    steps.filter((step) =>
      step.kind === "collective" && step.tensors.some(({ name }) => lastingOf(plan, name).kind === wanted)
    ).reduce((sum, step) => sum + step.bytes, 0);
  const backward = stepsOf(ACCUMULATE_LAST);
  // Of the guard, which belongs to the update, no bytes can hide behind.
  const lastPass = backward.findLastIndex(({ kind, phase }) => kind === "kernel" && phase !== "update");
  const afterwards = backward.slice(lastPass + 1);
  const gatherBytes = bytesOf(stepsOf("update"), "parameter");
  return {
    scatterBytes: bytesOf(backward, "gradient"),
    lastScatterBytes: bytesOf(afterwards, "gradient"),
    gatherBytes,
    firstGatherBytes: gatherBytes,
  };
}

/** The group of each op; null: the parameter among its tensors decides. */
const GROUP_OF: Readonly<Record<OpName, Group | null>> = {
  fill: "head and loss",
  cast: "other",
  add: "gradient sums",
  axpby: "other",
  affine: "other",
  scale: "norms and mixes",
  scaleGrad: "norms and mixes",
  mix: null,
  mixGrad: null,
  mixGradAdd: null,
  mixGradAddBoth: null,
  reluSquared: "mlp",
  reluSquaredGrad: "mlp",
  softcap: "head and loss",
  softcapGrad: "head and loss",
  mean: "head and loss",
  broadcast: "head and loss",
  embed: "embedding",
  embedGrad: "embedding",
  selectRow: "other",
  rmsNorm: "norms and mixes",
  rmsNormGrad: "norms and mixes",
  rmsNormGradAdd: "norms and mixes",
  mixNorm: "norms and mixes",
  mixNormGrad: "norms and mixes",
  mixNormGradAdd: "norms and mixes",
  mixNormGradAddBoth: "norms and mixes",
  mixNormSelfGrad: "norms and mixes",
  mixNormSelfGradAdd: "norms and mixes",
  skipMixNorm: "norms and mixes",
  skipMixNormGrad: "norms and mixes",
  skipMixNormGradAdd: "norms and mixes",
  skipMixNormGradAddBoth: "norms and mixes",
  skipMixNormSelfGrad: "norms and mixes",
  skipMixNormSelfGradAdd: "norms and mixes",
  skipMixNormSelfGradAddBoth: "norms and mixes",
  ropeTable: "q, k, v",
  ropeTableAt: "q, k, v",
  rope: "q, k, v",
  normRope: "q, k, v",
  normRopeGrad: "q, k, v",
  matmul: null,
  matmulAdd: null,
  matmulReluSquared: "mlp",
  matmulReluSquaredGrad: "mlp",
  matmulNormRope: "q, k, v",
  matmulMix: "q, k, v",
  attentionStart: "attention",
  attention: "attention",
  attentionGrad: "attention",
  cacheRows: "attention",
  attentionCached: "attention",
  crossEntropy: "head and loss",
  crossEntropyGrad: "head and loss",
  headLoss: "head and loss",
  headLossGrad: "head and loss",
  guard: "optimisers",
  adam: "optimisers",
  nesterov: "optimisers",
  frobeniusNormalise: "optimisers",
  newtonSchulz: "optimisers",
  applyUpdate: "optimisers",
  mlp: "mlp",
};

/** Where a product or mix belongs, by the parameter among its tensors, under its own name, its copy's or gradient's. */
const GROUP_OF_PARAMETER: readonly [RegExp, Group][] = [
  [/\.attn\.([qkv]\.weight|value_mix)/, "q, k, v"],
  [/\.attn\.proj\.weight/, "output product"],
  [/\.mlp\./, "mlp"],
  [/\.residual_mix|skip_weights/, "norms and mixes"],
  [/head\.weight/, "head and loss"],
];

/** Ops of the forward pass that no gradient rule uses: in the backward pass their results are made again. */
const FORWARD_ONLY: readonly OpName[] = ["rmsNorm", "mix", "mixNorm", "skipMixNorm", "reluSquared"];

function groupOf(step: KernelStep): Group {
  if (step.phase === "update") return "optimisers";
  if (step.phase === "backward" && FORWARD_ONLY.includes(step.op)) return "recomputation";
  const group = GROUP_OF[step.op];
  if (group) return group;
  const found = GROUP_OF_PARAMETER.find(([name]) => step.tensors.some((tensor) => name.test(tensor.name)));
  return found?.[1] ?? "other";
}

function kernelsOf(step: KernelStep, group: Group, keys: number): Kernel[] {
  const common = { group, phase: step.phase, name: step.op, shapes: shapesOf(step) };
  switch (step.op) {
    case "matmul":
    case "matmulAdd": {
      const [transA, transB] = step.args.slice(3);
      const residual = step.op === "matmulAdd" ? tensorBytes(at(step.tensors, 0)) : 0;
      return [productOf(step, transA ? "wgrad" : transB ? "forward" : "dgrad", common, residual)];
    }
    case "matmulReluSquared":
      return [productOf(step, "forward", common, 0)];
    case "matmulReluSquaredGrad":
      return [productOf(step, "dgrad", common, tensorBytes(at(step.tensors, 0)))];
    case "matmulNormRope":
    case "matmulMix":
      return [qkvProductOf(step, common)];
    case "attention": {
      const [N, C, D] = attentionSizes(step);
      const work = { kind: "attention", direction: "forward", headWidth: D } as const;
      return [passKernel({ ...common, bytes: step.bytes, flops: 4 * keys * N * C, work })];
    }
    case "attentionGrad":
      return attentionGradOf(step, common, keys);
    case "headLoss":
    case "headLossGrad": {
      const [N, C, V, chunk, accumulate] = step.args;
      const cap = at(step.args, step.args.length - 1);
      const sizes = { N: whole(N), C: whole(C), V: whole(V), chunk: whole(chunk), cap };
      const kernels = headKernels({ ...sizes, accumulate: step.op === "headLossGrad" && accumulate === 1 });
      return step.op === "headLossGrad" ? kernels : kernels.slice(0, 1);
    }
    case "newtonSchulz":
      return [newtonSchulzOf(step, common)];
    default:
      return [passKernel({ ...common, flops: step.flops, bytes: step.bytes })];
  }
}

/** Newton-Schulz on a batch of matrices of one shape: the norm's two kernels, three products an iteration, the result's type. */
function newtonSchulzOf(step: KernelStep, common: Common): Kernel {
  const [batch, rows, columns, iterations] = step.args.map(whole);
  const shortSide = Math.min(whole(rows), whole(columns));
  return passKernel({
    ...common,
    flops: step.flops,
    bytes: step.bytes,
    work: { kind: "newtonSchulz", shortSide, batch: whole(batch) },
    launches: 3 + 3 * whole(iterations),
  });
}

type Common = Pick<Kernel, "group" | "phase" | "name" | "shapes">;

/** A product whose epilogue reads or writes `epilogueBytes` beside the result. */
function productOf(step: KernelStep, form: ProductForm, common: Common, epilogueBytes: number): Kernel {
  const [m, n, k] = step.args;
  return productKernel({ m: whole(m), n: whole(n), k: whole(k), form }, {
    ...common,
    flops: step.flops,
    bytes: step.bytes,
    epilogueBytes,
  });
}

/**
 * A product that norms and rotates its heads, or mixes values, in its epilogue. What only that touches: tensors y, r, a, b,
 * table have the rows' factors and the angles, tensors y, own, a, b, v1, s both kinds of values.
 */
function qkvProductOf(step: KernelStep, common: Common): Kernel {
  const [first, second, third, fourth, fifth] = step.args;
  const [n, k] = step.op === "matmulMix" ? [second, third] : [whole(third) * whole(fourth), fifth];
  const [beside, more] = [at(step.tensors, 1), at(step.tensors, 4)];
  return productKernel({ m: whole(first), n: whole(n), k: whole(k), form: "forward" }, {
    ...common,
    flops: step.flops,
    bytes: step.bytes,
    epilogueBytes: tensorBytes(beside) + tensorBytes(more),
  });
}

/** (N, C, D) of an attention step. */
function attentionSizes(step: KernelStep): [number, number, number] {
  const [N, , H, D] = step.args;
  return [whole(N), whole(H) * whole(D), whole(D)];
}

/**
 * The gradient as the kernels make it: row sums of dO O, then in form wgmmaAdd all three gradients by blocks that own keys and
 * add to a float32 dQ: five products of two FLOPs a visited pair and column, as FlashAttention has. For that dQ is cleared
 * before and made bf16 after. The other forms have dQ by blocks that own queries, dK and dV by blocks that own keys: every sum
 * has one owner, but scores and their gradients are made twice, seven products.
 */
function attentionGradOf(step: KernelStep, common: Common, keys: number): Kernel[] {
  const [N, C, D] = attentionSizes(step);
  const [act, rowValues] = [2 * N * C, 4 * N * (C / D)]; // a tensor [N,C]; log-sum-exp or row sums
  const work = { kind: "attention", direction: "backward", headWidth: D } as const;
  const product = 2 * keys * N * C;
  const read = 4 * act + 2 * rowValues; // dO, q, k, v
  const kernel = (name: string, bytes: number, more: Partial<Kernel> = {}) =>
    passKernel({ ...common, name: `attentionGrad: ${name}`, bytes, ...more });
  const rowSums = kernel("row sums", 2 * act + rowValues, { shapes: `${N}x${C}` });
  if (step.form !== "wgmmaAdd") {
    return [
      rowSums,
      kernel("dQ", read + act, { flops: 3 * product, work }),
      kernel("dK, dV", read + 2 * act, { flops: 4 * product, work }),
    ];
  }
  // Whole tiles of queries: 201 MB at the record's size, four times the L2 cache, so that each pass over them goes through
  // memory. Blocks that run at the same time add to the same rows: what they add, 1.1 GB a layer, meets in the cache, and its
  // time is within the rate, as FlashAttention-3 adds up dQ so too.
  const sums = tensorBytes(at(step.tensors, step.tensors.length - 1)) - rowValues;
  return [
    rowSums,
    kernel("dQ cleared", sums, { shapes: `${N}x${C}` }),
    kernel("dK, dV, adding to dQ", read + 2 * act + 2 * sums, { flops: 5 * product, work }),
    kernel("dQ rounded", sums + act, { shapes: `${N}x${C}` }),
  ];
}

/** A size among a step's arguments, which must be there. */
function whole(value: number | undefined): number {
  if (value === undefined || !Number.isInteger(value)) {
    throw new InternalError(`A step's argument is ${value}, expected a size`);
  }
  return value;
}
