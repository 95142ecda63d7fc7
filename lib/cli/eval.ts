// nanogpt eval: how good a checkpoint is: its validation loss with perplexity and bits per byte, or its share of
// HellaSwag's questions answered rightly; either with the speed. Trains nothing and changes nothing in the run's
// folder; refuses a stretch that the shards do not have and options that do not go together. May import lib/base,
// lib/run, data/ and its neighbours.

import { readQuestions } from "../../data/hellaswag.ts";
import { textBytes } from "../../data/tokenizer.ts";
import { ValidationReader } from "../../data/validation.ts";
import { RunError, UserError } from "../base/errors.ts";
import { formatCount } from "../base/units.ts";
import { packedRows, requireFit, requireGpt2Tokens, scoreQuestions } from "../run/hellaswag.ts";
import { shardsOf } from "../run/inputs.ts";
import { loadModel } from "../run/load_model.ts";
import { validationLoss } from "../run/validate.ts";
import type { Context } from "./context.ts";
import { chosenDevice } from "./device_options.ts";
import { type OpenedModel, openModel } from "./model_command.ts";
import type { EvalOptions } from "./options.ts";
import { err, out } from "./output.ts";
import { formatBar, formatDuration, StatusLine } from "./progress.ts";

/** Evaluates; returns the exit code. */
export async function evaluate(options: EvalOptions, context: Context): Promise<number> {
  refuseMixtures(options);
  const chosen = chosenDevice(options);
  using opened = openModel(options.checkpoint, context, chosen);
  if (options.hellaswag !== undefined) await answerQuestions(options.hellaswag, options, opened);
  else await validate(options, opened, context);
  return 0;
}

function refuseMixtures({ hellaswag, val, tokens, limit }: EvalOptions): void {
  if (hellaswag === undefined) {
    if (limit === undefined) return;
    throw new UserError("--limit counts questions: it needs --hellaswag FILE; for shards there is --tokens");
  }
  const other = val !== undefined ? "--val" : tokens !== undefined ? "--tokens" : undefined;
  if (other === undefined) return;
  throw new UserError(`${other} is about validation shards: it does not go with --hellaswag; leave one out`);
}

// ---- validation ----

async function validate(options: EvalOptions, opened: OpenedModel, context: Context): Promise<void> {
  const { checkpoint, device, precision } = opened;
  const { sequenceLength, valTokens } = checkpoint.state.config.data;
  const tokens = options.tokens ?? valTokens;
  const reader = await openReader(options, opened, context, tokens);
  const executor = loadModel(checkpoint, device, { precision, sequenceLength, evaluate: true });
  const status = new StatusLine();
  try {
    const started = performance.now();
    let bytes = 0;
    const loss = await validationLoss(executor, reader, {
      counted: ({ targets }) => bytes += textBytes(targets),
      progress: progressOn(status),
    }) ?? NaN;
    if (!Number.isFinite(loss)) {
      throw new RunError(
        `The validation loss of ${checkpoint.path} is not finite; use an earlier checkpoint`,
      );
    }
    const tokensPerSecond = rateOf(tokens, started);
    status.clear();
    const bits = bitsPerByte(loss * tokens, bytes);
    if (bits === null) err.line("No bits per byte: these tokens are not GPT-2's text");
    if (options.json) {
      const found = { valLoss: loss, perplexity: Math.exp(loss), bitsPerByte: bits, tokens };
      showJson(opened, { ...found, bytes: bits === null ? null : bytes, tokensPerSecond });
      return;
    }
    out.line(
      `step:${checkpoint.state.step} val_loss:${loss.toFixed(4)} perplexity:${Math.exp(loss).toFixed(3)} ` +
        (bits === null ? "" : `bits_per_byte:${bits.toFixed(4)} `) +
        `tokens:${tokens} tokens_per_second:${formatCount(tokensPerSecond)}`,
    );
  } finally {
    status.clear();
    executor.close();
    reader.close();
  }
}

async function openReader(
  options: EvalOptions,
  { checkpoint, config }: OpenedModel,
  context: Context,
  valTokens: number,
): Promise<ValidationReader> {
  const { model, data } = checkpoint.state.config;
  const val = options.val ?? config?.data.val;
  if (val === undefined) {
    throw new UserError(
      `${checkpoint.path} lies in no run's folder; name the validation shards with --val GLOB`,
    );
  }
  return await ValidationReader.open({
    shards: await shardsOf(val, options.val === undefined ? "data.val" : "--val", context.assets),
    sequenceLength: data.sequenceLength,
    valTokens,
    deviceBatchSequences: 1,
    vocab: model.vocab,
    names: {
      ...(options.val === undefined ? {} : { val: "--val" }),
      ...(options.tokens === undefined ? {} : { valTokens: "--tokens" }),
    },
  });
}

/**
 * Loss in bits over the bytes of the text that was predicted, which unlike the loss a token can be compared between
 * tokenisers: `nats` / ln 2 / `bytes`. The loss of an eos counts like any other, but eos is no text and has no bytes.
 * Null where the targets are no text of GPT-2's, or no text at all.
 */
export function bitsPerByte(nats: number, bytes: number): number | null {
  return bytes > 0 ? nats / Math.LN2 / bytes : null; // bytes may be NaN: textBytes()
}

// ---- HellaSwag ----

async function answerQuestions(path: string, options: EvalOptions, opened: OpenedModel): Promise<void> {
  const { checkpoint, device, precision } = opened;
  const { model, data } = checkpoint.state.config;
  requireGpt2Tokens(model);
  const rows = packedRows(data.sequenceLength);
  const questions = await readQuestions(path, options.limit);
  requireFit(questions, rows);
  const executor = loadModel(checkpoint, device, { precision, sequenceLength: rows, evaluate: true });
  const status = new StatusLine();
  try {
    const started = performance.now();
    const score = scoreQuestions(executor, questions, rows, progressOn(status));
    const tokensPerSecond = rateOf(score.tokens, started);
    status.clear();
    if (options.json) {
      showJson(opened, { ...score, tokensPerSecond });
      return;
    }
    out.line(
      `step:${checkpoint.state.step} hellaswag:${score.accuracy.toFixed(4)} ` +
        `standard_error:${score.standardError.toFixed(4)} ` +
        `unnormalised:${score.unnormalisedAccuracy.toFixed(4)} questions:${score.questions} ` +
        `tokens:${score.tokens} tokens_per_second:${formatCount(tokensPerSecond)}`,
    );
  } finally {
    status.clear();
    executor.close();
  }
}

// ---- both ----

function showJson({ checkpoint, device, precision }: OpenedModel, found: object): void {
  const head = {
    checkpoint: checkpoint.path,
    step: checkpoint.state.step,
    device: device.kind,
    precision: device.kind === "reference" ? "float64" : precision,
  };
  out.line(JSON.stringify({ ...head, ...found }));
}

/** Tokens per second since `started`, a time of performance.now(). */
function rateOf(tokens: number, started: number): number {
  return tokens / (performance.now() - started) * 1000;
}

/** Draws the share done and the time left, which it takes to go on at the speed so far. */
function progressOn(status: StatusLine): (share: number) => void {
  const started = performance.now();
  return (share) => {
    const left = (performance.now() - started) / 1000 * (1 - share) / share;
    status.draw(`${formatBar(share, 30)} ${Math.round(100 * share)}% ${formatDuration(left)} left`);
  };
}
