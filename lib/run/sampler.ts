// Draws text from a model, one token at a time, from the logits that a predictor gives. Knows tokens only, no text, and
// keeps nothing from token to token but the count of draws; what has been said so far is the predictor's. Refuses logits
// that are not finite. May import lib/base and lib/run.

import { RunError } from "../base/errors.ts";
import { RandomStream } from "../base/random.ts";
import type { Predictor } from "./predictor.ts";

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
export const SAMPLING_STREAM = 0xffffffff;

/** Draws tokens that go on with a text. */
export class Sampler {
  readonly #predictor: Predictor;
  readonly #options: SamplingOptions;
  readonly #random: RandomStream;
  #drawn = 0;

  constructor(predictor: Predictor, options: SamplingOptions) {
    this.#predictor = predictor;
    this.#options = options;
    this.#random = new RandomStream(options.seed, SAMPLING_STREAM);
  }

  /**
   * The next token after `tokens` (at least one), which follow those of earlier calls: a drawn token is part of the text
   * only when it is given back. RunError for a model whose logits are not finite.
   */
  next(tokens: readonly number[]): number {
    const logits = this.#predictor.logitsAfter(tokens, this.#options.vocabulary);
    if (!logits.every(Number.isFinite)) {
      throw new RunError(
        "The model's logits are not finite: its parameters are broken; use an earlier checkpoint",
      );
    }
    return drawToken(logits, this.#options, this.#random.unit(this.#drawn++));
  }
}

/** One of so many logits is looked at to guess which are the highest; one of so many tokens is likely enough to be sorted first. */
const ONE_OF = 16;
/** Places further down that the guess goes in its sample: by chance it holds fewer or more of the highest than its share. */
const WIDE = 4;

/**
 * The token that `unit`, a number in (0, 1), draws from the softmax of the logits under the options. The likeliest tokens
 * come first, equals in their own order. Logits are sorted as numbers, which takes half the time of sorting tokens by them.
 */
export function drawToken(
  logits: Float64Array,
  { temperature, topK }: Pick<SamplingOptions, "temperature" | "topK">,
  unit: number,
): number {
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  if (temperature === 0) return logits.indexOf(highest);
  const weigh = (logit: number) => Math.exp((logit - highest) / temperature);
  const floor = guessFloor(logits, topK ?? logits.length / ONE_OF);
  const high = logits.filter((logit) => logit >= floor);
  const some = likeliest(high.length >= (topK ?? 0) ? high : logits, topK);
  const share = unit * (topK === undefined ? logits : some).reduce((sum, logit) => sum + weigh(logit), 0);
  const rank = rankAt(some, weigh, share);
  if (rank !== undefined) return tokenOfRank(logits, some, rank);
  const all = likeliest(logits, topK);
  // Where rounding leaves a little over: the last token that can be drawn at all.
  const last = Math.max(0, all.findLastIndex((logit) => weigh(logit) > 0));
  return tokenOfRank(logits, all, rankAt(all, weigh, share) ?? last);
}

/** A logit that about `count` others, or some more, reach; sorting all would take longer than a small model's prediction. */
function guessFloor(logits: Float64Array, count: number): number {
  const sample = Float64Array.from(
    { length: Math.ceil(logits.length / ONE_OF) },
    (_, i) => logits[i * ONE_OF] ?? 0,
  );
  return sample.sort().at(-Math.ceil(count / ONE_OF) - WIDE) ?? -Infinity;
}

/** The `most` highest, or all, from the highest down. */
function likeliest(logits: Float64Array, most: number | undefined): Float64Array {
  return logits.toSorted().reverse().subarray(0, most);
}

/** The place where the weights of sorted logits, added up, exceed `share`; undefined where all of them do not. */
function rankAt(sorted: Float64Array, weigh: (logit: number) => number, share: number): number | undefined {
  let left = share;
  for (const [rank, logit] of sorted.entries()) {
    left -= weigh(logit);
    if (left < 0) return rank;
  }
  return undefined;
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
