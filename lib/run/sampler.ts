// Draws text from a model, one token at a time, by the forward-only prediction program over the last tokens. Knows
// tokens only, no text, and keeps nothing from token to token but the count of draws: every token is a whole forward
// pass. May import lib/base, lib/run and the model's input names.

import { RunError } from "../base/errors.ts";
import { RandomStream } from "../base/random.ts";
import { INPUTS, promptInput } from "../model/gpt.ts";
import type { Executor } from "./executor.ts";

/** How to choose among the next tokens. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Only the `topK` likeliest tokens are drawn from; undefined: all. */
  readonly topK: number | undefined;
  readonly seed: number;
  /** Tokens from this on are never drawn: the padding of the vocabulary stands for no text. */
  readonly vocabulary: number;
}

/** The stream number of sampling, apart from those of parameters. */
const SAMPLING_STREAM = 0xffffffff;

/** Draws tokens that go on from a context. */
export class Sampler {
  readonly #executor: Executor;
  readonly #rows: number;
  readonly #options: SamplingOptions;
  readonly #random: RandomStream;
  #drawn = 0;

  /** `rows`: the context length in tokens that the plan's `predict` program was made for. */
  constructor(executor: Executor, rows: number, options: SamplingOptions) {
    this.#executor = executor;
    this.#rows = rows;
    this.#options = options;
    this.#random = new RandomStream(options.seed, SAMPLING_STREAM);
  }

  /**
   * The next token after `context` (at least one token; only its last `rows` are seen). RunError for a model whose
   * logits are not finite.
   */
  next(context: readonly number[]): number {
    const seen = context.slice(-this.#rows);
    const tokens = new Int32Array(this.#rows);
    tokens.set(seen);
    this.#executor.write(promptInput(this.#rows), tokens);
    this.#executor.write(INPUTS.position, [seen.length - 1]);
    this.#executor.run("predict");
    const logits = this.#executor.read("logits", 0, this.#options.vocabulary);
    if (!logits.every(Number.isFinite)) {
      throw new RunError(
        "The model's logits are not finite: its parameters are broken; use an earlier checkpoint",
      );
    }
    return drawToken(logits, this.#options, this.#random.unit(this.#drawn++));
  }
}

/**
 * The token that `unit`, a number in (0, 1), draws from the softmax of the logits under the options. The likeliest tokens
 * come first, equals in their own order. Logits are sorted as numbers, which takes half the time of sorting tokens by them.
 */
export function drawToken(
  logits: Float64Array,
  options: Pick<SamplingOptions, "temperature" | "topK">,
  unit: number,
): number {
  const sorted = logits.toSorted().reverse();
  return tokenOfRank(logits, sorted, options.temperature === 0 ? 0 : drawRank(sorted, options, unit));
}

/** The place that `unit` draws among logits sorted from the highest down. */
function drawRank(
  sorted: Float64Array,
  { temperature, topK }: Pick<SamplingOptions, "temperature" | "topK">,
  unit: number,
): number {
  const highest = sorted[0] ?? 0;
  const weights = sorted.subarray(0, topK).map((logit) => Math.exp((logit - highest) / temperature));
  let left = unit * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [rank, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return rank;
  }
  // Rounding left a little over: the last token that can be drawn at all.
  return Math.max(0, weights.findLastIndex((weight) => weight > 0));
}

/** The token at a place of the sorted logits. */
function tokenOfRank(logits: Float64Array, sorted: Float64Array, rank: number): number {
  const logit = sorted[rank] ?? NaN;
  let token = logits.indexOf(logit);
  for (let equals = rank - sorted.indexOf(logit); equals > 0; equals--) {
    token = logits.indexOf(logit, token + 1);
  }
  return token;
}
