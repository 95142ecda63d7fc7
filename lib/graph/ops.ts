// The op table: all rows in one record, total by type, so that a missing row or gradient is a compile error. Holds no
// rule of its own. Its only key is an OpName, so that a misspelt op does not compile; a new op is a name in op.ts and
// a row in one of the files of ops/. May import op.ts and the files of ops/ only.

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
