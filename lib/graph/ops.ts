// The op table: one row an op, total by type, so that a missing row or gradient is a compile error.
// Imports the graph's row files only.

import type { OpDef, OpName } from "./op.ts";
import { ATTENTION_OPS } from "./ops/attention.ts";
import { ELEMENTWISE_OPS } from "./ops/elementwise.ts";
import { LOSS_OPS } from "./ops/loss.ts";
import { MATRIX_OPS } from "./ops/matrices.ts";
import { OPTIMISER_OPS } from "./ops/optimisers.ts";
import { ROW_OPS } from "./ops/rows.ts";

/** Every op. */
export const OPS: Readonly<Record<OpName, OpDef>> = {
  ...ELEMENTWISE_OPS,
  ...ROW_OPS,
  ...MATRIX_OPS,
  ...ATTENTION_OPS,
  ...LOSS_OPS,
  ...OPTIMISER_OPS,
};
