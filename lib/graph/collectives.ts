// What the ranks of a run do together with one float32 tensor that each of them has, in place, and the kernel function that
// does it (kernels/abi.h). Data about calls: makes none and knows no rank. Not rows of the op table: they compute nothing
// that could be differentiated. May import lib/base only.

/** A collective by the tensor's name. A GPU goes on beside it, and must not touch the tensor before a wait for it. */
export type Collective =
  | { readonly kind: "allReduce"; readonly tensor: string; readonly op: "sum" | "max" }
  | { readonly kind: "reduce" | "share"; readonly tensor: string; readonly root: number }
  | { readonly kind: "reduceScatter" | "allGather"; readonly tensor: string };

/** What the ranks of a run exchange in a step. */
export interface Exchange {
  /** Sums of gradients, beside the backward pass of the last microbatch: each begins soon after its tensor is complete. */
  readonly gradients: readonly Collective[];
  /** Between all gradients and the update. */
  readonly before: readonly Collective[];
  /** After the update. */
  readonly after: readonly Collective[];
}

/** The function that makes a device wait for its collectives. */
export const WAIT_SYMBOL = "nanogpt_group_wait";

/** NANOGPT_REDUCE_SUM and NANOGPT_REDUCE_MAX of kernels/abi.h. */
const REDUCTIONS = { sum: 0, max: 1 } as const;

/** The function of a collective over a tensor of `count` elements, and its sizes and numbers. */
export function collectiveCall(collective: Collective, count: number): { symbol: string; args: number[] } {
  switch (collective.kind) {
    case "allReduce":
      return { symbol: "nanogpt_all_reduce", args: [count, REDUCTIONS[collective.op]] };
    case "reduce":
      return { symbol: "nanogpt_reduce", args: [count, collective.root] };
    case "share":
      return { symbol: "nanogpt_share", args: [count, collective.root] };
    case "reduceScatter":
      return { symbol: "nanogpt_reduce_scatter", args: [count] };
    case "allGather":
      return { symbol: "nanogpt_all_gather", args: [count] };
    default:
      return collective satisfies never;
  }
}
