// The op table: all rows in one record, total by type, so that a missing row or gradient is a compile error. Holds no
// rule of its own. Its only key is an OpName, so that a misspelt op does not compile; a new op is a name in op.ts and
// a row in one of the files of ops/. May import lib/base, op.ts and the files of ops/ only.

import { InternalError } from "../base/errors.ts";
import { OP_NAMES, type OpDef, type OpName } from "./op.ts";
import { ATTENTION_OPS } from "./ops/attention.ts";
import { CACHE_OPS } from "./ops/cache.ts";
import { ELEMENTWISE_OPS } from "./ops/elementwise.ts";
import { LOSS_OPS } from "./ops/loss.ts";
import { MATRIX_OPS } from "./ops/matrices.ts";
import { MIX_NORM_OPS } from "./ops/mix_norm.ts";
import { MLP_OPS } from "./ops/mlp.ts";
import { OPTIMISER_OPS } from "./ops/optimisers.ts";
import { QKV_OPS } from "./ops/qkv.ts";
import { ROW_OPS } from "./ops/rows.ts";

/** Every op. */
export const OPS: Readonly<Record<OpName, OpDef>> = {
  ...ELEMENTWISE_OPS,
  ...ROW_OPS,
  ...MIX_NORM_OPS,
  ...MATRIX_OPS,
  ...MLP_OPS,
  ...QKV_OPS,
  ...ATTENTION_OPS,
  ...CACHE_OPS,
  ...LOSS_OPS,
  ...OPTIMISER_OPS,
};

/** The ops that devices have kernels for. */
export const KERNEL_OPS: readonly OpName[] = OP_NAMES.filter((op) => OPS[op].symbol !== null);

/** The C function of an op; refuses one without, which should have been expanded. */
export function symbolOf(op: OpName): string {
  const { symbol } = OPS[op];
  if (symbol === null) throw new InternalError(`${op} has no kernel: it is to be expanded before it is run`);
  return symbol;
}
