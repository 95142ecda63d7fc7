// Validation: the mean loss over a fixed stretch of tokens, by the forward-only program, and the losses of single
// tokens that every evaluation rests on. Changes no parameter, prints nothing, and gives no figure for a stretch that was
// broken off. Chooses neither tokens nor when to validate: the reader and the caller do. May import lib/run, the
// model's input names and types of data/.

import type { Microbatch } from "../../data/loader.ts";
import type { ValidationReader } from "../../data/validation.ts";
import { INPUTS } from "../model/gpt.ts";
import type { Executor } from "./executor.ts";
import { LONE, Ranks } from "./ranks.ts";

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

/**
 * Mean loss in nats over the reader's tokens; undefined if `stop` ended it. Ranks take turns with the microbatches, and each
 * gets the sum of all, added in the order of the tokens: the same bits for the same losses on however many ranks.
 */
export async function validationLoss(
  executor: Executor,
  reader: ValidationReader,
  hooks: ValidationHooks = {},
  ranks: Ranks = new Ranks(LONE),
): Promise<number | undefined> {
  const batches = reader.batches(ranks.rank, ranks.ranks);
  let sum = 0, count = 0;
  for (let done = 0; done < reader.length; done += ranks.ranks) {
    const { value: batch } = await ranks.together(() => batches.next());
    if (ranks.any(hooks.stop?.() ?? false)) return undefined;
    const losses = batch ? tokenLosses(executor, batch) : [];
    for (const [part = 0, tokens = 0] of ranks.gather([sumOf(losses), losses.length])) {
      sum += part;
      count += tokens;
    }
    if (batch) hooks.counted?.(batch);
    hooks.progress?.(Math.min(1, (done + ranks.ranks) / reader.length));
  }
  return sum / count;
}

function sumOf(losses: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < losses.length; i++) sum += losses[i] ?? NaN;
  return sum;
}
