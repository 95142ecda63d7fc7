// Which form of a kernel with matrix products a GPU runs, by op, shape, type and chip: the fastest one whose limits the
// shapes keep, of those with a fixed order of sums where that is asked for. The one place that chooses; launchers check
// the same limits and refuse. Other devices have one form and are not asked. May import lib/base and the graph.

import { bytesOf } from "../base/dtype.ts";
import { InternalError } from "../base/errors.ts";
import { at, dtypeAttr, numberAttr, type TensorType } from "../graph/node.ts";
import { type FormName, FORMS, type OpName, type Signature } from "../graph/op.ts";
import { OPS } from "../graph/ops.ts";

/** Chips that the GPU kernels are compiled for: of compute capability 8.0 and later, and of 9.0. */
export const CHIPS = ["sm80", "sm90a"] as const;
export type Chip = typeof CHIPS[number];

/** The chip a device's instruction set stands for. */
export function chipOf(isa: string): Chip {
  const found = CHIPS.find((chip) => chip === isa);
  if (found === undefined) throw new InternalError(`There are no GPU kernels for ${isa}`);
  return found;
}

/** Copies into shared memory take 16 bytes at a time, so rows begin at multiples of that: 8 elements of bf16. */
const COPY_BYTES = 16;

/** Widths of attention heads that the matrix instructions' tiles are made for. */
const HEAD_WIDTHS: Readonly<Record<"mma" | "wgmma", readonly number[]>> = {
  mma: [32, 64, 128],
  wgmma: [128],
};

/** Ops that have a kernel on wgmma and TMA. */
const WGMMA_OPS: readonly OpName[] = [
  "matmul",
  "matmulAdd",
  "matmulReluSquared",
  "matmulReluSquaredGrad",
  "matmulNormRope",
  "matmulMix",
  "headLoss",
  "headLossGrad",
  "newtonSchulz",
  "attention",
  "attentionGrad",
];

/** Ops that have one whose blocks add to one sum as well: its order, and so its last bits, differ from run to run. */
const WGMMA_ADD_OPS: readonly OpName[] = ["attentionGrad"];

/** Ops whose products cuBLASLt can do, where it was asked for. */
const CUBLASLT_OPS: readonly OpName[] = ["matmul", "matmulAdd", "headLoss", "headLossGrad", "newtonSchulz"];

/** Whether a form may be used for an op of these shapes on a chip. */
export function formAllowed(form: FormName, op: OpName, s: Signature, chip: Chip): boolean {
  switch (form) {
    case "simple":
      return true;
    case "mma":
      return fitsTiles(op, s, HEAD_WIDTHS.mma);
    case "wgmma":
      return chip === "sm90a" && WGMMA_OPS.includes(op) && fitsTiles(op, s, HEAD_WIDTHS.wgmma) &&
        (op !== "matmulNormRope" || HEAD_WIDTHS.wgmma.includes(normedHeadWidth(s)));
    case "wgmmaAdd":
      return WGMMA_ADD_OPS.includes(op) && formAllowed("wgmma", op, s, chip);
    case "cublaslt":
      return CUBLASLT_OPS.includes(op) && fitsCublasLt(op, s);
    default:
      return form satisfies never;
  }
}

/** The forms of our own kernels that an op of these shapes has on a chip, slowest first; none where the op has a single kernel. */
export function formsOf(op: OpName, s: Signature, chip: Chip): readonly FormName[] {
  if (!OPS[op].forms) return [];
  return FORMS.filter((form) => form !== "cublaslt" && formAllowed(form, op, s, chip));
}

/** Whether a form gives the same bits in every run: all of its sums have a fixed order. */
export function hasFixedOrder(form: FormName): boolean {
  return form !== "wgmmaAdd";
}

/** The fastest of them, by default of those whose sums have a fixed order; the simple one takes everything. */
export function fastestForm(op: OpName, s: Signature, chip: Chip, deterministic = true): FormName {
  const forms = formsOf(op, s, chip);
  return forms.findLast((form) => hasFixedOrder(form) || !deterministic) ?? "simple";
}

/** What a plan asks of forms. */
export interface FormWishes {
  /** cuBLASLt's, wherever it can. */
  readonly cublaslt: boolean;
  /** None of our own whose sums have no fixed order. */
  readonly deterministic: boolean;
}

/** The form that a plan takes: cuBLASLt's where it was asked for and can, else the fastest of our own. */
export function chosenForm(op: OpName, s: Signature, chip: Chip, wishes: FormWishes): FormName {
  if (wishes.cublaslt && formAllowed("cublaslt", op, s, chip)) return "cublaslt";
  return fastestForm(op, s, chip, wishes.deterministic);
}

/** The limits of cuBLASLt's form: operands of one type, no bf16 result of float32 ones, whole 16 bytes a row. */
function fitsCublasLt(op: OpName, s: Signature): boolean {
  if (op === "newtonSchulz") {
    const dtype = dtypeAttr(s.attrs, "dtype");
    return at(s.inputs, 0).shape.slice(-2).every((size) => size * bytesOf(dtype) % COPY_BYTES === 0);
  }
  const operands = (OPS[op].operands ?? []).map((i) => at(s.inputs, i));
  const isProduct = op === "matmul" || op === "matmulAdd";
  const rows = isProduct ? [...operands, at(s.outputs, 0)] : operands;
  const narrow = operands.every(isNarrow);
  return rows.every(hasWholeRows) &&
    (narrow || operands.every((x) => !isNarrow(x)) && !(isProduct && isNarrow(at(s.outputs, 0))));
}

/** The limits that both fast forms share: bf16 operands, whole 16 bytes a row, known head widths. */
function fitsTiles(op: OpName, s: Signature, headWidths: readonly number[]): boolean {
  const operands = (OPS[op].operands ?? []).map((i) => at(s.inputs, i));
  switch (op) {
    case "matmul":
    case "matmulAdd":
    case "matmulReluSquared":
    case "matmulReluSquaredGrad":
    case "matmulNormRope":
    case "matmulMix":
      return operands.every(isNarrow) && [...operands, at(s.outputs, 0)].every(hasWholeRows);
    case "headLoss":
    case "headLossGrad":
      return operands.every((operand) => isNarrow(operand) && hasWholeRows(operand));
    case "attention":
      return isNarrow(at(s.inputs, 0)) && headWidths.includes(headWidth(s, 0));
    case "attentionGrad":
      return isNarrow(at(s.inputs, 1)) && headWidths.includes(headWidth(s, 1));
    case "newtonSchulz":
      return dtypeAttr(s.attrs, "dtype") === "bf16" &&
        at(s.inputs, 0).shape.slice(-2).every((size) => size % 8 === 0);
    default:
      return false;
  }
}

function isNarrow({ dtype }: TensorType): boolean {
  return dtype === "bf16";
}

function hasWholeRows({ shape, dtype }: TensorType): boolean {
  return (shape.at(-1) ?? 0) * bytesOf(dtype) % COPY_BYTES === 0;
}

/** Width of a head of the tensor that input `i` is. */
function headWidth(s: Signature, i: number): number {
  return at(at(s.inputs, i).shape, 1) / numberAttr(s.attrs, "heads");
}

/** Width of the heads that a product is cut into before they are normed. */
function normedHeadWidth(s: Signature): number {
  return at(at(s.outputs, 0).shape, 1) / numberAttr(s.attrs, "heads");
}
