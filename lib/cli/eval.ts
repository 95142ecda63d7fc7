// nanogpt eval: the validation loss of a checkpoint. Prints it with perplexity and speed. Trains nothing and changes
// nothing in the run's folder; refuses a stretch that the shards do not have. May import lib/base, lib/run, data/ and
// its neighbours.

import { ValidationReader } from "../../data/validation.ts";
import { RunError, UserError } from "../base/errors.ts";
import { formatCount } from "../base/units.ts";
import { shardsOf } from "../run/inputs.ts";
import { loadModel } from "../run/load_model.ts";
import { validationLoss } from "../run/validate.ts";
import type { Context } from "./context.ts";
import { openModel } from "./model_command.ts";
import type { EvalOptions } from "./options.ts";
import { out } from "./output.ts";
import { formatBar, StatusLine } from "./progress.ts";

/** Evaluates; returns the exit code. */
export async function evaluate(options: EvalOptions, context: Context): Promise<number> {
  using opened = openModel(options.checkpoint, context);
  const { checkpoint, device, config } = opened;
  const { model, data } = checkpoint.state.config;
  const { sequenceLength } = data;
  const val = options.val ?? config?.data.val;
  if (val === undefined) {
    throw new UserError(
      `${checkpoint.path} lies in no run's folder; name the validation shards with --val GLOB`,
    );
  }
  const valTokens = options.tokens ?? data.valTokens;
  const shards = await shardsOf(val, options.val === undefined ? "data.val" : "--val", context.assets);
  const reader = await ValidationReader.open({
    shards,
    sequenceLength,
    valTokens,
    deviceBatchSequences: 1,
    vocab: model.vocab,
    names: {
      ...(options.val === undefined ? {} : { val: "--val" }),
      ...(options.tokens === undefined ? {} : { valTokens: "--tokens" }),
    },
  });
  const precision = config?.device.precision ?? "bf16";
  const executor = loadModel(checkpoint, device, { precision, sequenceLength, evaluate: true });
  const status = new StatusLine();
  try {
    const started = performance.now();
    const progress = (share: number) => status.draw(`${formatBar(share, 30)} ${Math.round(100 * share)}%`);
    const loss = await validationLoss(executor, reader, { progress }) ?? NaN;
    if (!Number.isFinite(loss)) {
      throw new RunError(
        `The validation loss of ${checkpoint.path} is not finite; use an earlier checkpoint`,
      );
    }
    const rate = valTokens / (performance.now() - started) * 1000;
    status.clear();
    out.line(
      `step:${checkpoint.state.step} val_loss:${loss.toFixed(4)} perplexity:${Math.exp(loss).toFixed(3)} ` +
        `tokens:${valTokens} tokens_per_second:${formatCount(rate)}`,
    );
    return 0;
  } finally {
    status.clear();
    executor.close();
    reader.close();
  }
}
