// Text from a model: prompt to tokens, tokens drawn one by one, tokens back to text as they come. Refuses a prompt
// with tokens that the model does not know; never shows half a character. Which token follows is sampler.ts's
// business. May import lib/base, lib/run, the model's types and the tokenizer of data/.

import { encode, TokenDecoder, TOKENIZER_VOCAB } from "../../data/tokenizer.ts";
import { UserError } from "../base/errors.ts";
import type { ModelConfig } from "../model/parameters.ts";
import type { Executor } from "./executor.ts";
import { Predictor } from "./predictor.ts";
import { Sampler } from "./sampler.ts";

/** What to write. */
export interface TextRequest {
  /** Tokens back that a token sees at most, itself included, in the plan's prediction programs. */
  readonly context: number;
  readonly model: Pick<ModelConfig, "vocab" | "eos">;
  /** Text to go on from; empty: a new document. */
  readonly prompt: string;
  /** Tokens to write at most; the model ends a document earlier when it draws the eos token. */
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly seed: number;
}

/**
 * The prompt as tokens behind the one that opens a document. A model of a smaller vocabulary than the tokenizer's knows
 * only its first tokens (the first 256 are the bytes). UserError for a prompt with others.
 */
export function promptTokens({ prompt, model }: Pick<TextRequest, "prompt" | "model">): number[] {
  const tokens = encode(prompt);
  const unknown = tokens.find((token) => token >= model.vocab);
  if (unknown === undefined) return [model.eos, ...tokens];
  throw new UserError(
    `The prompt holds token ${unknown}, this model knows the tokens below ${model.vocab} only; give another prompt`,
  );
}

/** Draws tokens and hands each piece of text to `write` as soon as its characters are whole. Returns all of it. */
export function writeText(
  executor: Executor,
  request: TextRequest,
  write: (text: string) => void = () => {},
): string {
  const { context, model } = request;
  const sampler = new Sampler(new Predictor(executor, { context, eos: model.eos }), {
    temperature: request.temperature,
    topK: request.topK,
    seed: request.seed,
    vocabulary: Math.min(model.vocab, TOKENIZER_VOCAB),
  });
  const decoder = new TokenDecoder();
  let text = "";
  const add = (piece: string) => {
    text += piece;
    if (piece) write(piece);
  };
  let tokens = promptTokens(request);
  for (let i = 0; i < request.tokens; i++) {
    const token = sampler.next(tokens);
    if (token === model.eos) break;
    tokens = [token];
    add(decoder.push(token));
  }
  add(decoder.end());
  return text;
}
