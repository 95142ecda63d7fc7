// Text from a model: prompt to tokens, tokens drawn one by one, tokens back to text as they come.
// Imports lib/run and data/.

import { encode, EOS, TokenDecoder, TOKENIZER_VOCAB } from "../../data/tokenizer.ts";
import type { ModelConfig } from "../model/parameters.ts";
import type { Executor } from "./executor.ts";
import { Sampler } from "./sampler.ts";

/** What to write. */
export interface TextRequest {
  /** Context length of the plan's prediction program. */
  readonly rows: number;
  readonly model: Pick<ModelConfig, "vocab">;
  /** Text to go on from; empty: a new document. */
  readonly prompt: string;
  /** Tokens to write at most; the model ends a document earlier when it draws the eos token. */
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly seed: number;
}

/** The most tokens that a prediction looks back on: beyond some hundred, more context costs more than it gives here. */
const MOST_CONTEXT = 256;

/** Context length for models trained on sequences of `sequenceLength`. */
export function contextRows(sequenceLength: number): number {
  return Math.min(sequenceLength, MOST_CONTEXT);
}

/** Draws tokens and hands each piece of text to `write` as soon as its characters are whole. Returns all of it. */
export function writeText(
  executor: Executor,
  request: TextRequest,
  write: (text: string) => void = () => {},
): string {
  const sampler = new Sampler(executor, request.rows, {
    temperature: request.temperature,
    topK: request.topK,
    seed: request.seed,
    vocabulary: Math.min(request.model.vocab, TOKENIZER_VOCAB),
  });
  const decoder = new TokenDecoder();
  const context = [EOS, ...encode(request.prompt)];
  let text = "";
  const add = (piece: string) => {
    text += piece;
    if (piece) write(piece);
  };
  for (let i = 0; i < request.tokens; i++) {
    const token = sampler.next(context);
    if (token === EOS) break;
    context.push(token);
    add(decoder.push(token));
  }
  add(decoder.end());
  return text;
}
