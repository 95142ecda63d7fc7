// The work of GPU kernels as far as their time depends on it, the groups by which projections are compared, and the
// kernels of the head, which a plan and the fused recipe share. Knows no plan step (step_kernels.ts) and no time
// (projection.ts). May import the graph and lib/plan.

import type { Phase } from "../graph/node.ts";
import type { Work } from "./targets.ts";

/** Parts of a training step, in the order of the model. */
export const GROUPS = [
  "embedding",
  "norms and mixes",
  "q, k, v",
  "attention",
  "output product",
  "mlp",
  "head and loss",
  "gradient sums",
  "recomputation",
  "optimisers",
  "other",
] as const;
export type Group = typeof GROUPS[number];

/** One call of a kernel, or of a few that belong together. */
export interface Kernel {
  readonly group: Group;
  readonly phase: Phase;
  readonly name: string;
  /** For people: types of a plan step's tensors, or sizes. */
  readonly shapes: string;
  readonly flops: number;
  /** Read and written, each tensor once a pass. */
  readonly bytes: number;
  /** Of `bytes`, those that only a product's epilogue touches. */
  readonly epilogueBytes: number;
  readonly work: Work;
  readonly launches: number;
}

/** A kernel and how often one rank calls it in a training step; a share of a call where ranks share the work. */
export interface Counted {
  readonly kernel: Kernel;
  readonly count: number;
}

/** Bytes that ranks exchange in a step; the collectives before and after which nothing is left to do stand apart. */
export interface Exchange {
  /** Gradients, summed and scattered while the backward pass goes on; of them, those that come last. */
  readonly scatterBytes: number;
  readonly lastScatterBytes: number;
  /** Weights, gathered while the next forward pass goes on; of them, those that it needs first. */
  readonly gatherBytes: number;
  readonly firstGatherBytes: number;
}

/** A kernel that passes over memory once; `kernel` says what differs from that. */
export function passKernel(
  kernel: Pick<Kernel, "group" | "phase" | "name" | "shapes" | "bytes"> & Partial<Kernel>,
): Kernel {
  return { flops: 0, epilogueBytes: 0, work: { kind: "pass" }, launches: 1, ...kernel };
}

/** A product of (m, k) by (k, n); `kernel` has the rest. */
export function productKernel(
  { m, n, k, form }: Omit<Extract<Work, { kind: "product" }>, "kind">,
  kernel: Pick<Kernel, "group" | "phase" | "name" | "bytes"> & Partial<Kernel>,
): Kernel {
  return {
    shapes: `${m}x${n}x${k}`,
    flops: 2 * m * n * k,
    epilogueBytes: 0,
    work: { kind: "product", m, n, k, form },
    launches: 1,
    ...kernel,
  };
}

/** Sizes of the head: N rows of C, V columns of logits, `chunk` rows of logits at a time. */
export interface HeadSizes {
  readonly N: number;
  readonly C: number;
  readonly V: number;
  readonly chunk: number;
  /** Whether the weight's gradient is added to what is there. */
  readonly accumulate: boolean;
  /** Of the logits' soft cap. */
  readonly cap: number;
}

/** Up to this cap the head's product sums exponentials itself: kBoundedCap of kernels/cuda/head.h. */
const BOUNDED_CAP = 40;

/**
 * The head with its loss and gradients, whose bf16 logits pass through memory in chunks: capped logits with the sum of
 * their exponentials; their gradient in place; dx; dW, whose float32 sum is read and written for each chunk. Logits of a
 * larger cap are read twice more: for the largest of a row, and for the sum of its exponentials.
 */
export function headKernels({ N, C, V, chunk, accumulate, cap }: HeadSizes): Kernel[] {
  const chunks = Math.ceil(N / chunk);
  const [x, logits, weights] = [2 * N * C, 2 * N * V, chunks * 2 * C * V];
  const sums = (2 * chunks - (accumulate ? 0 : 1)) * 4 * C * V;
  const common = { group: "head and loss", phase: "backward", launches: chunks } as const;
  const product = (form: "forward" | "dgrad" | "wgrad", [m, n, k]: [number, number, number], more: {
    readonly name: string;
    readonly bytes: number;
  }) =>
    productKernel({ m, n, k, form }, {
      ...common,
      ...more,
      shapes: `${chunks} x ${m}x${n}x${k}`,
      flops: 2 * N * C * V,
    });
  return [
    product("forward", [chunk, V, C], { name: "head logits", bytes: x + weights + logits }),
    passKernel({
      ...common,
      name: "head loss, dlogits",
      shapes: `${chunks} x ${chunk}x${V}`,
      bytes: (cap <= BOUNDED_CAP ? 2 : 4) * logits,
    }),
    product("dgrad", [chunk, C, V], { name: "head dgrad", bytes: logits + weights + x }),
    product("wgrad", [V, C, chunk], { name: "head wgrad", bytes: logits + x + sums }),
  ];
}
