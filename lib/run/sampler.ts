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

/** The token that `unit`, a number in (0, 1), draws from the softmax of the logits under the options. */
export function drawToken(
  logits: Float64Array,
  options: Pick<SamplingOptions, "temperature" | "topK">,
  unit: number,
): number {
  const order = Array.from(logits.keys()).sort((a, b) => (logits[b] ?? NaN) - (logits[a] ?? NaN) || a - b);
  const best = order[0] ?? 0;
  if (options.temperature === 0) return best;
  const kept = order.slice(0, options.topK ?? order.length);
  const highest = logits[best] ?? 0;
  const weights = kept.map((token) => Math.exp(((logits[token] ?? 0) - highest) / options.temperature));
  let left = unit * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, token] of kept.entries()) {
    left -= weights[i] ?? 0;
    if (left < 0) return token;
  }
  // Rounding left a little over: the last token that can be drawn at all.
  return kept.findLast((_, i) => (weights[i] ?? 0) > 0) ?? best;
}
