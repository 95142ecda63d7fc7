// nanogpt sample: text from a checkpoint, printed as it is drawn. How it is drawn is lib/run's business; here options
// become a request. Standard output gets the text and nothing else; the rest goes to standard error. May import
// lib/run and its neighbours.

import { contextOf } from "../model/gpt.ts";
import { loadModel } from "../run/load_model.ts";
import { promptTokens, writeText } from "../run/sample.ts";
import type { Context } from "./context.ts";
import { openModel } from "./model_command.ts";
import type { SampleOptions } from "./options.ts";
import { out } from "./output.ts";

const DEFAULT_TOKENS = 128;
const DEFAULT_TEMPERATURE = 0.8;

/** Samples; returns the exit code. The prompt is printed first, as the beginning of the text. */
export function sample(options: SampleOptions, context: Context): Promise<number> {
  using opened = openModel(options.checkpoint, context);
  const { checkpoint, device, precision } = opened;
  const { model, data, seed } = checkpoint.state.config;
  const { sequenceLength } = data;
  const executor = loadModel(checkpoint, device, { precision, sequenceLength, predict: true });
  const prompt = options.prompt ?? "";
  try {
    promptTokens({ prompt, model }); // refuses a prompt before anything is printed
    out.write(prompt);
    writeText(executor, {
      context: contextOf(model, sequenceLength),
      model,
      prompt,
      tokens: options.tokens ?? DEFAULT_TOKENS,
      temperature: options.temperature ?? DEFAULT_TEMPERATURE,
      topK: options.topK,
      seed: options.seed ?? seed,
    }, (piece) => out.write(piece));
    out.line("");
    return Promise.resolve(0);
  } finally {
    executor.close();
  }
}
