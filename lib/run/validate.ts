// Validation: the mean loss over a fixed stretch of tokens, by the forward-only program, and the losses of single
// tokens that every evaluation rests on. Changes no parameter, prints nothing, and gives no figure for a stretch that was
// broken off. Chooses neither tokens nor when to validate: the reader and the caller do. May import lib/run, the
// model's input names and types of data/.

import type { Microbatch } from "../../data/loader.ts";
import type { ValidationReader } from "../../data/validation.ts";
import { INPUTS } from "../model/gpt.ts";
import type { Executor } from "./executor.ts";

/** What to do while validating. */
export interface ValidationHooks {
  /** Asked between microbatches; true gives up. */
  readonly stop?: () => boolean;
  /** Shown each microbatch once its losses are counted. */
  readonly counted?: (batch: Microbatch) => void;
  /** Told the share done, 0 to 1. */
  readonly progress?: (share: number) => void;
}

/**
 * The loss in nats of each target of a microbatch, by the program `evaluate`. A microbatch may hold fewer tokens than
 * the program's rows: those beyond it keep what was there, and are not read.
 */
export function tokenLosses(executor: Executor, { tokens, targets }: Microbatch): Float64Array {
  executor.write(INPUTS.tokens, tokens);
  executor.write(INPUTS.targets, targets);
  executor.run("evaluate");
  return executor.read("losses", 0, tokens.length);
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
    for (const loss of tokenLosses(executor, batch)) sum += loss;
    count += batch.tokens.length;
    hooks.counted?.(batch);
    hooks.progress?.(++done / reader.length);
  }
  return sum / count;
}
