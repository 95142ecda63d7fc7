// The pass marks of golden files: how far loss, logits, gradients and a run may lie from float64 answers, by
// precision. Numbers only; check_golden.ts applies them. They belong to the golden files' sizes and say nothing of
// single ops, whose tolerances are in op_tolerances.ts. Imports nothing.

/** Marks of one precision. */
export interface Marks {
  /** Absolute difference of the loss. */
  readonly loss: number;
  /** ||difference|| / ||logits||. */
  readonly logits: number;
  /** A gradient passes when ||difference|| <= mark * ||gradient|| + floor * ||all gradients together||. */
  readonly matrices: number;
  readonly scalars: number;
  readonly floor: number;
  /** Largest absolute difference of a step's loss, where normEps is at least NORM_EPS_BOUND, and where it is smaller. */
  readonly run: number;
  readonly runSmallEps: number;
  /** ||difference|| / ||result||. */
  readonly newtonSchulz: number;
}

/** Below this normEps a run from zero projections is chaotic, and its marks are wider. */
export const NORM_EPS_BOUND = 1e-3;

/** Marks of float32, of bf16 activations, and of the reference device, which computes in float64. */
export const MARKS: Readonly<Record<"fp32" | "bf16" | "f64", Marks>> = {
  fp32: {
    loss: 5e-6,
    logits: 1e-5,
    matrices: 1e-5,
    scalars: 1e-4,
    floor: 1e-6,
    run: 1e-4,
    runSmallEps: 2e-2,
    newtonSchulz: 1e-4,
  },
  bf16: {
    loss: 2e-3,
    logits: 2e-2,
    matrices: 3e-2,
    scalars: 0.4,
    floor: 2e-4,
    run: 1e-2,
    runSmallEps: 4e-2,
    newtonSchulz: 1e-1,
  },
  f64: {
    loss: 1e-9,
    logits: 1e-6,
    matrices: 1e-6,
    scalars: 1e-6,
    floor: 1e-8,
    run: 1e-8,
    runSmallEps: 1e-6,
    newtonSchulz: 1e-6,
  },
};
