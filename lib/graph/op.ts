// What a row of the op table holds: inputs, outputs, shapes, gradient, cost, kernel symbol and its arguments. Adding
// an op means: a name here, a row in ops/, sample inputs in samples.ts, a kernel per device. Types and names only, no
// rule of any op. May import the graph's own types.

import type { GraphBuilder } from "./builder.ts";
import type { Attrs, Node, TensorType, Value } from "./node.ts";

/** Every op, in the order of kernels/abi.h, then those without a kernel. The table in ops.ts is total over this list. */
export const OP_NAMES = [
  "fill",
  "cast",
  "add",
  "axpby",
  "affine",
  "scale",
  "scaleGrad",
  "mix",
  "mixGrad",
  "mixGradAdd",
  "mixGradAddBoth",
  "reluSquared",
  "reluSquaredGrad",
  "softcap",
  "softcapGrad",
  "mean",
  "broadcast",
  "embed",
  "embedGrad",
  "selectRow",
  "rmsNorm",
  "rmsNormGrad",
  "rmsNormGradAdd",
  "mixNorm",
  "mixNormGradAddBoth",
  "mixNormSelfGradAdd",
  "skipMixNorm",
  "skipMixNormGrad",
  "skipMixNormGradAddBoth",
  "skipMixNormSelfGradAddBoth",
  "ropeTable",
  "ropeTableAt",
  "rope",
  "normRope",
  "normRopeGrad",
  "matmul",
  "matmulAdd",
  "matmulReluSquared",
  "matmulReluSquaredGrad",
  "matmulNormRope",
  "matmulMix",
  "attentionStart",
  "attention",
  "attentionGrad",
  "cacheRows",
  "attentionCached",
  "crossEntropy",
  "crossEntropyGrad",
  "headLoss",
  "headLossGrad",
  "guard",
  "adam",
  "nesterov",
  "frobeniusNormalise",
  "newtonSchulz",
  "applyUpdate",
  "mixNormGrad",
  "mixNormGradAdd",
  "mixNormSelfGrad",
  "skipMixNormGradAdd",
  "skipMixNormSelfGrad",
  "skipMixNormSelfGradAdd",
  "mlp",
] as const;

export type OpName = typeof OP_NAMES[number];

/**
 * Forms of a kernel with matrix products on a GPU, slowest first; a form's place here is its code in kernels/abi.h
 * (NANOGPT_FORM). simple: any shape and type; mma: bf16 on mma.sync; wgmma: bf16 on Hopper's wgmma and TMA; cublaslt: NVIDIA's
 * cuBLASLt, only where it was asked for; wgmmaAdd: wgmma whose blocks add to one sum in memory, in no fixed order.
 */
export const FORMS = ["simple", "mma", "wgmma", "cublaslt", "wgmmaAdd"] as const;
export type FormName = typeof FORMS[number];

/** The types a row computes with: of a node, or of one about to be made. */
export interface Signature {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attrs: Attrs;
}

/** What a gradient rule gives back. */
export interface InputGradients {
  /** Gradient of each input, in order; null where there is none (token ids, or an input nobody differentiates). */
  readonly inputs: readonly (Value | null)[];
  /**
   * Values equal to the node's own outputs that the gradient's kernel makes on the way. Where given, they replace
   * the outputs everywhere, and the forward node falls away (a kernel that is its own gradient).
   */
  readonly replaces?: readonly Value[];
}

/**
 * A gradient rule, written as graph nodes: from the gradients of the outputs (null where none arrives) to those of
 * the inputs. The gradient of a value has the value's shape and type.
 */
export type GradientRule = (
  b: GraphBuilder,
  node: Node,
  dOutputs: readonly (Value | null)[],
) => InputGradients;

/** What makes the outputs of another op, a summand added to one of them. */
export interface Sum {
  readonly op: OpName;
  readonly attrs: Attrs;
}

/** One row of the op table. */
export interface OpDef {
  /** Names of inputs and outputs, in the kernel's order, for texts and errors. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Shape and type of each output; throws where the inputs do not fit. */
  infer(inputs: readonly TensorType[], attrs: Attrs): TensorType[];
  /** "none": nothing is ever differentiated through it. */
  readonly gradient: GradientRule | "none";
  /** Floating-point operations (a multiply-add counts two). */
  flops(s: Signature): number;
  /**
   * The C function, and its sizes and scalars after the addresses. Null: no device has a kernel for the op, which is there
   * for its gradient rule, and always expanded.
   */
  readonly symbol: string | null;
  args(s: Signature): number[];
  /** Output index -> index of the input it overwrites (that input gets no address of its own in the call). */
  readonly inPlace?: Readonly<Record<number, number>>;
  /** Input index whose memory the first output may take over when nothing else reads it any more. */
  readonly reuses?: readonly number[];
  /** Op and attributes that take one more input, of output number `output`'s type, and add it to that output. */
  readonly plus?: (output: number, attrs: Attrs) => Sum | undefined;
  /**
   * Inputs that the kernel multiplies as matrices. A float32 parameter among them that meets bf16 activations is
   * given to the kernel as a bf16 working copy, made once a step.
   */
  readonly operands?: readonly number[];
  /** GPUs have the kernel in several forms; the attribute `form`, a FormName, says which (lib/plan/forms.ts chooses). */
  readonly forms?: true;
  /** The kernel works on a number of rows at a time, which the attribute `chunk` may set. */
  readonly chunked?: true;
  /** Outputs that are added to instead of overwritten when the attribute `accumulate` is 1. */
  readonly accumulates?: readonly number[];
  /** Bytes read and written, where those are not all of each input and output. */
  bytes?(s: Signature): number;
  /** Takes a batch [n, ...] of its inputs as well, each member on its own; `expand` takes no batch. */
  readonly batched?: true;
  /** Bytes of scratch the kernel needs, placed in the arena for the time of the call. */
  workspace?(s: Signature): number;
  /** Cheap enough to compute again in the backward pass rather than keep from the forward pass. */
  readonly recompute?: true;
  /** The same in plain ops: oracle of a fused op, and what runs where a device lacks it. */
  expand?(b: GraphBuilder, inputs: readonly Value[], attrs: Attrs): Value[];
}
