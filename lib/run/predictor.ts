// A text on its way through a model: tokens go in as they come, and the logits after the last of them come out. The model's
// keys and values so far are in the executor's caches; here is only how far the text has come and where its document
// began. One text at a time: a new Predictor begins anew. Draws nothing. May import lib/run and the model's input names.

import { INPUTS, PROMPT_ROWS, promptInputs } from "../model/gpt.ts";
import type { Executor } from "./executor.ts";

/** What a token sees of its text: `context` tokens back at most, itself included, and none before its document's `eos`. */
export interface Sight {
  readonly context: number;
  readonly eos: number;
}

/** Predicts what follows a text, by the plan's programs `prefill` and `predict`. */
export class Predictor {
  readonly #executor: Executor;
  readonly #sight: Sight;
  /** Tokens so far, and the position of the one that opened the document. */
  #position = 0;
  #document = 0;

  /** `sight.context`: what the plan was made for. */
  constructor(executor: Executor, sight: Sight) {
    this.#executor = executor;
    this.#sight = sight;
  }

  /** Logits of the first `vocabulary` tokens after `tokens` (at least one), which follow those of earlier calls. */
  logitsAfter(tokens: readonly number[], vocabulary: number): Float64Array {
    const rows = PROMPT_ROWS.prefill;
    for (let i = 0; i < tokens.length; i += rows) this.#take(tokens.slice(i, i + rows));
    return this.#executor.read("logits", 0, vocabulary);
  }

  /** Runs a program on up to its number of rows. The rows after the tokens are stored too: the next tokens overwrite them. */
  #take(tokens: readonly number[]): void {
    const program = tokens.length === 1 ? "predict" : "prefill";
    const rows = PROMPT_ROWS[program];
    const inputs = promptInputs(rows);
    const padded = new Int32Array(rows);
    padded.set(tokens);
    this.#executor.write(inputs.tokens, padded);
    this.#executor.write(inputs.start, Int32Array.from(padded, (_, i) => this.#start(i, tokens[i])));
    this.#executor.write(INPUTS.position, [this.#position]);
    if (rows > 1) this.#executor.write(INPUTS.last, [tokens.length - 1]);
    this.#executor.run(program);
    this.#position += tokens.length;
  }

  /** The first position that row `row` of the next ones sees. */
  #start(row: number, token: number | undefined): number {
    const position = this.#position + row;
    if (token === this.#sight.eos) this.#document = position;
    return Math.max(this.#document, position - this.#sight.context + 1);
  }
}
