// The machines that a plan can be projected onto, and the one table of what kernels reach there: rates of matrix
// products by shape, of attention, of passes over memory, of collectives, each with its source. Nothing here was
// measured with nanogpt, and nothing is measured when it is used. May import lib/base only.

import { UserError } from "../base/errors.ts";
import { didYouMean } from "../base/nearest.ts";

/** One GPU: what its maker states. */
export interface Machine {
  readonly name: string;
  readonly multiprocessors: number;
  /** Dense bf16 matrix products. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly memoryBytes: number;
  readonly source: string;
}

/** Where a training step would run: so many GPUs of one kind in one machine, a rank on each. */
export interface Target {
  readonly name: string;
  readonly machine: Machine;
  readonly ranks: number;
}

/** What one class of work reaches: `expected` of tuned kernels, `first` of a first run before any tuning. */
export interface Rate {
  readonly expected: number;
  readonly first: number;
  readonly source: string;
}

const H100: Machine = {
  name: "NVIDIA H100 SXM, 80 GB",
  multiprocessors: 132,
  flopsPerSecond: 989.4e12,
  bytesPerSecond: 3.35e12,
  memoryBytes: 80e9,
  source: "NVIDIA's data sheet of the H100 SXM: bf16 without sparsity, HBM3",
};

/** The targets by name. */
const TARGETS: readonly Target[] = [
  { name: "h100x1", machine: H100, ranks: 1 },
  { name: "h100x8", machine: H100, ranks: 8 },
];

/** The names of all targets. */
export const TARGET_NAMES: readonly string[] = TARGETS.map(({ name }) => name);

/** The target of this name; UserError with the known ones where there is none. */
export function targetOf(name: string): Target {
  const found = TARGETS.find((target) => target.name === name);
  if (found) return found;
  throw new UserError(
    `There is no target ${name}${didYouMean(name, TARGET_NAMES)}; expected one of ${TARGET_NAMES.join(", ")}`,
  );
}

/** Share of cuBLAS's rate that hand-written products reach after tuning, and at first: an estimate. */
const CUBLAS_SHARE = { expected: 0.92, first: 0.7 };

/** y = x W^T (forward), dx = dy W (dgrad), dW = dy^T x (wgrad). */
export type ProductForm = "forward" | "dgrad" | "wgrad";

/**
 * cuBLAS, bf16 with float32 sums, 32,768 tokens. `sizes`: forward and dgrad inner size and columns, wgrad rows and
 * columns; the third size is the tokens.
 */
interface CublasProduct {
  readonly form: ProductForm;
  readonly sizes: readonly [number, number];
  readonly teraflops: number;
  readonly source: string;
}

const CUBLAS_PRODUCTS: readonly CublasProduct[] = [
  { form: "forward", sizes: [768, 768], teraflops: 642, source: "the traces" },
  { form: "forward", sizes: [768, 2304], teraflops: 677, source: "the traces" },
  { form: "forward", sizes: [768, 3072], teraflops: 679, source: "the traces" },
  { form: "forward", sizes: [3072, 768], teraflops: 773, source: "the traces, as dgrad" },
  { form: "dgrad", sizes: [768, 768], teraflops: 651, source: "the traces" },
  { form: "dgrad", sizes: [2304, 768], teraflops: 754, source: "the traces" },
  { form: "dgrad", sizes: [3072, 768], teraflops: 773, source: "the traces" },
  { form: "dgrad", sizes: [768, 3072], teraflops: 679, source: "the traces, as forward" },
  { form: "wgrad", sizes: [768, 768], teraflops: 601, source: "the traces" },
  { form: "wgrad", sizes: [2304, 768], teraflops: 689, source: "the traces" },
  { form: "wgrad", sizes: [3072, 768], teraflops: 746, source: "the traces" },
  {
    form: "wgrad",
    sizes: [768, 3072],
    teraflops: 747,
    source: "the traces, sum of splits included",
  },
  { form: "forward", sizes: [768, 50304], teraflops: 680, source: "an estimate" },
  { form: "dgrad", sizes: [50304, 768], teraflops: 740, source: "an estimate" },
  { form: "wgrad", sizes: [50304, 768], teraflops: 740, source: "an estimate" },
];

/** Attention at head width 128, over the tiles that are visited. */
const ATTENTION: Readonly<Record<"forward" | "backward", Rate>> = {
  forward: {
    expected: 430e12,
    first: 280e12,
    source:
      "estimate between FlashAttention-3 at 1,024 keys (423 causal, 565 not; Shah et al., 2024) and flex " +
      "attention in the record's time (330)",
  },
  backward: {
    expected: 400e12,
    first: 250e12,
    source: "estimate below FlashAttention-3 at 2,048 keys (501 not causal; Shah et al., 2024)",
  },
};

/** Newton-Schulz with all matrices of a shape in one batch. */
const NEWTON_SCHULZ: Rate = {
  expected: 291e12,
  first: 113e12,
  source: "the traces: 0.76 ms for the 204 GFLOP of a rank; estimates: 0.70 ms tuned, 1.8 ms before",
};

/** Tiles of 128x128 in the square of the smaller of the trace's two batches: 3 matrices whose short side is 768. */
const NEWTON_SCHULZ_TILES = 3 * 6 * 6;

/** Bytes per second of a pass over memory: elementwise work, norms, mixes, optimisers. */
export const PASS: Rate = {
  expected: 3.05e12,
  first: 0.8 * 3.05e12,
  source: "the traces: plain elementwise kernels reach 3.03 to 3.09 TB/s; estimate before tuning: 80 % of it",
};

/** Share of the bytes that only a product's epilogue touches (a residual, say) that is not hidden by the product. */
export const EPILOGUE: Rate = {
  expected: 0.5,
  first: 1,
  source: "estimate: half of an epilogue's own traffic hides behind the product, none of it at first",
};

/** Seconds between two kernels on one stream. */
export const LAUNCH_GAP: Rate = {
  expected: 1.47e-6,
  first: 4.3e-6,
  source: "the traces: median 1.47 us between kernels; before tuning their 90th percentile, 4.3 us",
};

/** NCCL's rings of 8 GPUs over NVSwitch. */
export const COLLECTIVES = {
  /** Bus bandwidth: bytes (ranks - 1) / ranks over the time, NCCL's own definition. */
  bytesPerSecond: 305e9,
  /** Multiprocessors that a running collective takes from the kernels beside it. */
  multiprocessors: 24,
  source: "the traces: 77 MB of bf16 in 221 us, on 24 multiprocessors; at first nothing is hidden",
};

/** What an estimate of this kind leaves out, on top of the expected time. */
export const PLANNING_MARGIN = { factor: 1.1, source: "estimate: 10 % for what is not listed" };

/** Sources that no single row has, and what "the traces" are in all of them. */
export const SOURCES = {
  epilogues: EPILOGUE.source,
  launchGaps: LAUNCH_GAP.source,
  communication: COLLECTIVES.source,
  margin: PLANNING_MARGIN.source,
  traces:
    "chrome traces of KellerJordan/modded-nanogpt's records of 2025-10-31 and 2025-12-11: 8xH100, cuBLAS, " +
    "FlashAttention-3, NCCL, measured by others",
};

/** What the projection of the record's own recipe stands beside. */
export const RECORD = {
  /** Validation loss that the record's steps reach. */
  loss: 3.28,
  ranks: 8,
  stepMs: 161.8,
  source: "the record's own log, 8xH100, measured by its authors",
  /** The fused recipe, estimated by hand before there was a projection. */
  handEstimate: { floorMs: 70.8, expectedMs: 108, withMarginMs: 119, firstMs: 149 },
};

/** What decides how fast a kernel runs. */
export type Work =
  | { readonly kind: "pass" }
  | {
    readonly kind: "product";
    readonly form: ProductForm;
    readonly m: number;
    readonly n: number;
    readonly k: number;
  }
  | { readonly kind: "attention"; readonly direction: "forward" | "backward"; readonly headWidth: number }
  | { readonly kind: "newtonSchulz"; readonly shortSide: number; readonly batch: number };

/** FLOP/s that this work reaches on the machine; undefined for a pass, whose bytes alone count. */
export function rateOf(work: Work, machine: Machine): Rate | undefined {
  switch (work.kind) {
    case "pass":
      return undefined;
    case "product":
      return productRate(work, machine);
    case "attention": {
      const rate = ATTENTION[work.direction];
      return scaled(rate, Math.min(1, work.headWidth / 128), `in proportion to head width ${work.headWidth}`);
    }
    case "newtonSchulz": {
      const tiles = work.batch * Math.ceil(work.shortSide / 128) ** 2;
      return scaled(NEWTON_SCHULZ, Math.min(1, tiles / NEWTON_SCHULZ_TILES), `${tiles} tiles at a time`);
    }
    default:
      return work satisfies never;
  }
}

/** The least inner size of one part of a product that is split along it. */
const SPLIT_SIZE = 2048;

/**
 * The nearest measured shape's rate, by ratios of its sizes; less where the inner size is shorter (a tile's loop is
 * then short beside its start and end) and where the tiles, split along the inner size too, are fewer than the
 * multiprocessors.
 */
function productRate({ form, m, n, k }: Extract<Work, { kind: "product" }>, machine: Machine): Rate {
  const [a, b] = form === "wgrad" ? [m, n] : [k, n];
  const distance = ({ sizes }: CublasProduct) => Math.hypot(Math.log2(sizes[0] / a), Math.log2(sizes[1] / b));
  const nearest = CUBLAS_PRODUCTS.filter((product) => product.form === form)
    .reduce((best, other) => distance(other) < distance(best) ? other : best);
  const { sizes, teraflops, source } = nearest;
  const rate = {
    expected: CUBLAS_SHARE.expected * teraflops * 1e12,
    first: CUBLAS_SHARE.first * teraflops * 1e12,
    source: `estimate: ${percent(CUBLAS_SHARE.expected)} of cuBLAS's ${teraflops} TFLOP/s at ${form} ` +
      `${sizes.join("x")} (${source}), ${percent(CUBLAS_SHARE.first)} before tuning`,
  };
  const short = form === "wgrad" ? 1 : Math.min(1, k / sizes[0]);
  const tiles = Math.ceil(m / 128) * Math.ceil(n / 256) * Math.max(1, Math.floor(k / SPLIT_SIZE));
  return scaled(
    scaled(rate, short, `in proportion to inner size ${k}`),
    Math.min(1, tiles / machine.multiprocessors),
    `${tiles} tiles of 128x256`,
  );
}

function scaled(rate: Rate, factor: number, why: string): Rate {
  if (factor === 1) return rate;
  const source = `${rate.source}; ${percent(factor)} of that: ${why}`;
  return { expected: factor * rate.expected, first: factor * rate.first, source };
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
