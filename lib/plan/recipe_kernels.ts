// The kernels of a training step if every fusion that the recipe allows were there, by formula from the model's sizes:
// norms with mixes, one product for q, k and v, epilogues that norm, rotate, mix, square, add. Describes what could
// be, not what lib/plan builds, and prices nothing. May import
// lib/base, the graph and lib/plan.

import { formatCount } from "../base/units.ts";
import type { Phase } from "../graph/node.ts";
import {
  type Counted,
  type Exchange,
  type Group,
  headKernels,
  type Kernel,
  passKernel,
  productKernel,
} from "./kernels.ts";
import type { ProductForm } from "./targets.ts";

/** What the formulas need to know. */
export interface RecipeSizes {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
  readonly vocab: number;
  readonly softcap: number;
  /** Tokens of a microbatch, and a rank's microbatches in a step. */
  readonly rows: number;
  readonly microbatches: number;
  readonly ranks: number;
  /** Keys that attention visits for a token. */
  readonly keys: number;
  readonly nsSteps: number;
}

/** Rows of logits at a time: 1.6 GB at vocabulary 50,304. */
const HEAD_CHUNK = 16384;

/** What one rank runs in a training step. */
export function recipeKernels(sizes: RecipeSizes): Counted[] {
  const { layers, microbatches, rows: N, dim: C, vocab: V, softcap: cap } = sizes;
  const head = (accumulate: boolean) =>
    headKernels({ N, C, V, chunk: Math.min(HEAD_CHUNK, N), accumulate, cap });
  const often = (kernels: readonly Kernel[], count: number) => kernels.map((kernel) => ({ kernel, count }));
  return [
    ...often(endKernels(sizes), microbatches),
    ...often(head(false), 1),
    ...often(head(true), microbatches - 1),
    ...often([...forwardKernels(sizes), ...backwardKernels(sizes)], layers * microbatches),
    ...often(optimiserKernels(sizes), 1),
  ];
}

/** Makes kernels over the sizes of one microbatch. "S" is one bf16 tensor (rows, dim); float32 counts twice. */
class Maker {
  readonly S: number;
  readonly #sizes: RecipeSizes;

  constructor(sizes: RecipeSizes) {
    this.S = 2 * sizes.rows * sizes.dim;
    this.#sizes = sizes;
  }

  /** float32 rows of one number a head: log-sum-exp, or row sums of dO O. */
  get rowSums(): number {
    return 4 * this.#sizes.rows * this.#sizes.heads;
  }

  /** Traffic of a float32 gradient of so many elements: written at first, later read and written; the mean. */
  gradient(elements: number): number {
    return 4 * elements * (2 - 1 / this.#sizes.microbatches);
  }

  pass(group: Group, phase: Phase, name: string, tensors: number, more: Partial<Kernel> = {}): Kernel {
    return passKernel({ group, phase, name, shapes: `${tensors} S`, bytes: tensors * this.S, ...more });
  }

  /** A product of activations and a (outputs, inputs) weight: `tensors` of its bytes, `epilogue` of those, are S. */
  product(
    [group, phase, name]: readonly [Group, Phase, string],
    form: ProductForm,
    [outputs, inputs]: readonly [number, number],
    [tensors, epilogue]: readonly [number, number],
  ): Kernel {
    const { rows } = this.#sizes;
    const [m, n, k] = form === "wgrad"
      ? [outputs, inputs, rows]
      : form === "forward"
      ? [rows, outputs, inputs]
      : [rows, inputs, outputs];
    const elements = outputs * inputs;
    return productKernel({ m, n, k, form }, {
      group,
      phase,
      name,
      bytes: tensors * this.S + (form === "wgrad" ? this.gradient(elements) : 2 * elements),
      epilogueBytes: epilogue * this.S,
      launches: form === "wgrad" ? 2 : 1, // split over the tokens, then the sum of the parts
    });
  }

  attention(direction: "forward" | "backward", tensors: number): Kernel {
    const { rows, dim, heads, keys } = this.#sizes;
    const [flops, rowSums] = direction === "forward" ? [4, 1] : [10, 2];
    return this.pass("attention", direction, `attention ${direction}`, tensors, {
      bytes: tensors * this.S + rowSums * this.rowSums,
      flops: flops * keys * rows * dim,
      work: { kind: "attention", direction, headWidth: dim / heads },
    });
  }
}

/** Embedding and last norm, both ways. */
function endKernels(sizes: RecipeSizes): Kernel[] {
  const make = new Maker(sizes);
  const table = make.gradient(sizes.vocab * sizes.dim);
  return [
    // Float32 rows of the table, x0.
    make.pass("embedding", "forward", "embedding, norm", 3),
    // x, y; x, dy, dx.
    make.pass("norms and mixes", "forward", "last norm", 2),
    make.pass("norms and mixes", "backward", "last norm, back", 3),
    // dx0, the rows again for the norm's gradient; sums over equal tokens.
    make.pass("embedding", "backward", "embedding, back", 3, { bytes: 3 * make.S + table, launches: 3 }),
  ];
}

/** One block forward. Kept for the backward pass: x, norm, q, k, v, attention's output, x, norm, relu(h)^2. */
function forwardKernels(sizes: RecipeSizes): Kernel[] {
  const { dim: C } = sizes;
  const make = new Maker(sizes);
  return [
    // x, x0, mixed x, norm; every second block (on average) a skip.
    make.pass("norms and mixes", "forward", "mix, skip, norm", 4.5),
    // norm, q, k, v; v of block 0 for the mix, with norm and rope in the epilogue.
    make.product(["q, k, v", "forward", "q, k, v"], "forward", [3 * C, C], [5, 1]),
    make.attention("forward", 4),
    // o, residual, x.
    make.product(["output product", "forward", "output + residual"], "forward", [C, C], [3, 1]),
    make.pass("norms and mixes", "forward", "norm", 2),
    // norm; relu(h)^2, four times as wide, all that is kept of h.
    make.product(["mlp", "forward", "mlp up, relu^2"], "forward", [4 * C, C], [5, 0]),
    // relu(h)^2, residual, x.
    make.product(["mlp", "forward", "mlp down + residual"], "forward", [C, 4 * C], [6, 1]),
  ];
}

/** The same block backward. */
function backwardKernels(sizes: RecipeSizes): Kernel[] {
  const { dim: C } = sizes;
  const make = new Maker(sizes);
  return [
    // dy, dh = 2 sqrt(y) dy; y in the epilogue.
    make.product(["mlp", "backward", "mlp down dgrad, relu^2"], "dgrad", [C, 4 * C], [9, 4]),
    make.product(["mlp", "backward", "mlp down wgrad"], "wgrad", [C, 4 * C], [5, 0]),
    make.product(["mlp", "backward", "mlp up wgrad"], "wgrad", [4 * C, C], [5, 0]),
    make.product(["mlp", "backward", "mlp up dgrad"], "dgrad", [4 * C, C], [5, 0]),
    // x, dy, residual's dx, dx.
    make.pass("norms and mixes", "backward", "norm, back + residual", 4),
    // dx, dO; O in the epilogue, for the row sums of dO O.
    make.product(["output product", "backward", "output dgrad, row sums"], "dgrad", [C, C], [3, 1]),
    make.product(["output product", "backward", "output wgrad"], "wgrad", [C, C], [2, 0]),
    // q, k, v, dO; dk, dv, dQ in float32.
    make.attention("backward", 8),
    // dQ zeroed (2); dQ (2), dk, dv, q, k read; dq, dk, dv written; v, v of block 0, its gradient read and written.
    make.pass("q, k, v", "backward", "dQ, norm, rope, value mix, back", 15, { launches: 2 }),
    make.product(["q, k, v", "backward", "q, k, v dgrad"], "dgrad", [3 * C, C], [4, 0]),
    make.product(["q, k, v", "backward", "q, k, v wgrad"], "wgrad", [3 * C, C], [4, 0]),
    // x before the mix, x0, d(norm), residual's dx, dx; dx0 read and written. Of every second block the skip read, its
    // gradient written and, further down, added.
    make.pass("norms and mixes", "backward", "norm, mix, skip, back", 8.5),
  ];
}

/** Muon's matrices in two batches, a rank's share of them; Adam's share; all weights once more in bf16. */
function optimiserKernels(sizes: RecipeSizes): Kernel[] {
  const { layers, dim: C, ranks, nsSteps } = sizes;
  const { all, adam } = parameterCounts(sizes);
  const muon = (matrices: number, rows: number): Kernel => {
    const batch = matrices / ranks;
    const elements = batch * rows * C;
    return passKernel({
      group: "optimisers",
      phase: "update",
      name: "muon",
      shapes: `${Number(batch.toFixed(1))} of ${rows}x${C}`,
      // Newton-Schulz on the short side C: X X^T and its square times X (4 C^2 rows), the square itself (2 C^3).
      flops: batch * nsSteps * (4 * C * C * rows + 2 * C ** 3),
      // Gradient 4, momentum 8, u 2; X 4, the rest of the iteration in cache; direction 2, parameter 8.
      bytes: 28 * elements,
      work: { kind: "newtonSchulz", shortSide: C, batch },
      launches: 2 + 3 * nsSteps,
    });
  };
  return [
    muon(4 * layers, C),
    muon(2 * layers, 4 * C),
    passKernel({
      group: "optimisers",
      phase: "update",
      name: "adam, bf16 copies",
      shapes: `${formatCount(adam / ranks)} of ${formatCount(adam)}`,
      // Gradient 4, both moments 16, parameter 8 of Adam's; bf16 copies of all weights as they arrive.
      bytes: 28 * adam / ranks + 2 * all,
      launches: 4,
    }),
  ];
}

/** What ranks exchange in a step: gradients in bf16, weights in bf16 but for the embedding, which is float32. */
export function recipeExchange(sizes: RecipeSizes): Exchange {
  const { all } = parameterCounts(sizes);
  const embedding = sizes.vocab * sizes.dim;
  return {
    scatterBytes: 2 * all,
    lastScatterBytes: 2 * embedding,
    gatherBytes: 2 * (all - embedding) + 4 * embedding,
    firstGatherBytes: 4 * embedding,
  };
}

/** Parameters in all, and those that Adam trains; the few scalars are left out. */
function parameterCounts({ layers, dim: C, vocab: V }: RecipeSizes): { all: number; adam: number } {
  const adam = 2 * V * C;
  return { all: adam + 12 * C * C * layers, adam };
}

/** Bytes that a rank holds, by use; kept activations are as in forwardKernels. */
export function recipeMemory(sizes: RecipeSizes): { use: string; bytes: number }[] {
  const { layers, dim: C, vocab: V, rows, ranks } = sizes;
  const { all, adam } = parameterCounts(sizes);
  const { S, rowSums } = new Maker(sizes);
  return [
    { use: "kept activations", bytes: layers * (12 * S + rowSums) + 2 * S },
    // dx, dx0, dv0, dh (4), dq, dk, dv, dQ (2), dO; the logits of a chunk.
    { use: "working space", bytes: 13 * S + 2 * Math.min(HEAD_CHUNK, rows) * V },
    { use: "weights", bytes: 2 * (all - V * C) + 4 * V * C },
    { use: "gradients", bytes: 4 * all },
    { use: "a rank's float32 weights, momenta, moments", bytes: (8 * all + 4 * adam) / ranks },
  ];
}
