// Validation: the mean loss over a fixed stretch of tokens, by the forward-only program. Changes no parameter, prints
// nothing, and gives no figure for a stretch that was broken off. Chooses neither tokens nor when to validate: the
// reader and the caller do. May import lib/run, the model's input names and types of data/.

import type { ValidationReader } from "../../data/validation.ts";
import { INPUTS } from "../model/gpt.ts";
import type { Executor } from "./executor.ts";

/** What to do while validating. */
export interface ValidationHooks {
  /** Asked between microbatches; true gives up. */
  readonly stop?: () => boolean;
  /** Told the share done, 0 to 1. */
  readonly progress?: (share: number) => void;
}

/** Mean loss in nats over the reader's tokens; undefined if `stop` ended it. */
export async function validationLoss(
  executor: Executor,
  reader: ValidationReader,
  hooks: ValidationHooks = {},
): Promise<number | undefined> {
  let sum = 0, count = 0, done = 0;
  for await (const batch of reader.batches()) {
    if (hooks.stop?.()) return undefined;
    executor.write(INPUTS.tokens, batch.tokens);
    executor.write(INPUTS.targets, batch.targets);
    // A last microbatch may hold fewer sequences: the rows beyond it keep what was there, and are not counted.
    executor.run("evaluate");
    for (const loss of executor.read("losses", 0, batch.tokens.length)) sum += loss;
    count += batch.tokens.length;
    hooks.progress?.(++done / reader.length);
  }
  return sum / count;
}
