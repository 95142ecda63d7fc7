// nanogpt data ...: makes and describes token shards. The work is done in data/; here it is asked for, watched and told
// of. Knows nothing of formats, tokens or which folders may be overwritten: data/ refuses what is wrong. May import
// data/, options, output and the views.

import { prepareCorpus } from "../../data/corpus.ts";
import { formatReport, inspectShard } from "../../data/inspect.ts";
import type { SplitSummary } from "../../data/splits.ts";
import { tokenizeFiles } from "../../data/tokenize.ts";
import { formatQuantity } from "../base/units.ts";
import type { Context } from "./context.ts";
import type { InspectOptions, TokenizeCommandOptions } from "./options.ts";
import { err, out } from "./output.ts";
import { TokenizeView } from "./tokenize_view.ts";

/** nanogpt data sample: the built-in corpus as shards, where builtin:train and builtin:val look for it. */
export async function dataSample({ assets }: Context): Promise<number> {
  const { train, val, wrote } = await prepareCorpus(assets.corpusText, assets.corpus);
  out.line(wrote ? "The built-in corpus was tokenised:" : "The built-in corpus is there already:");
  out.line(`  ${train}`);
  out.line(`  ${val}`);
  return 0;
}

/** nanogpt data tokenize OUT FILES...: documents as shards in the folder OUT; `-` among the files is standard input. */
export async function dataTokenize(options: TokenizeCommandOptions, context: Context): Promise<number> {
  const { folder, files, shardTokens, valFraction, field, format = "txt" } = options;
  const view = new TokenizeView();
  using interrupt = new Interrupt();
  try {
    const { train, val, empty, bytes } = await tokenizeFiles(folder, files, {
      startWorker: context.startWorker,
      workers: options.workers ?? navigator.hardwareConcurrency,
      ...(shardTokens !== undefined && { shardTokens }),
      ...(valFraction !== undefined && { valFraction }),
      ...(field !== undefined && { field }),
      stdin: { source: Deno.stdin, format },
      progress: (done) => view.show(done),
      signal: interrupt.signal,
    });
    const { seconds } = view;
    view.close();
    if (train.shards.length > 0) describeSplit("training", train);
    if (val.shards.length > 0) describeSplit("validation", val);
    if (empty > 0) out.line(`${empty} documents without text were left out`);
    out.line(
      `${formatQuantity(bytes, "B")} in ${seconds.toFixed(1)} s, ${formatQuantity(bytes / seconds, "B/s")}`,
    );
    return 0;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    view.close();
    err.line(`Interrupted: no shard was written into ${folder}`);
    return 130;
  } finally {
    view.close();
  }
}

/** SIGINT and SIGTERM as an abort signal; a second one leaves at once. */
class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #end = () => {
    if (this.signal.aborted) Deno.exit(130);
    this.#controller.abort();
  };

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, this.#end);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, this.#end);
  }
}

/** nanogpt data inspect FILE: what a shard holds. */
export async function dataInspect({ file, json }: InspectOptions): Promise<number> {
  const report = await inspectShard(file);
  out.line(json ? JSON.stringify(report) : formatReport(report));
  return 0;
}

function describeSplit(name: string, { documents, tokens, shards }: SplitSummary): void {
  out.line(`${name}: ${tokens} tokens of ${documents} documents in`);
  for (const shard of shards) out.line(`  ${shard}`);
}
