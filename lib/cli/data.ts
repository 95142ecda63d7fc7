// nanogpt data ...: makes and describes token shards. The work is done in data/; here it is asked for and told of.
// Knows nothing of formats, tokens or which folders may be overwritten: data/ refuses what is wrong. May import
// data/, options and output.

import { prepareCorpus } from "../../data/corpus.ts";
import { formatReport, inspectShard } from "../../data/inspect.ts";
import { type SplitSummary, tokenizeFiles } from "../../data/tokenize.ts";
import type { Context } from "./context.ts";
import type { TokenizeCommandOptions } from "./options.ts";
import { out } from "./output.ts";

/** nanogpt data sample: the built-in corpus as shards, where builtin:train and builtin:val look for it. */
export async function dataSample({ assets }: Context): Promise<number> {
  const { train, val, wrote } = await prepareCorpus(assets.corpusText, assets.corpus);
  out.line(wrote ? "The built-in corpus was tokenised:" : "The built-in corpus is there already:");
  out.line(`  ${train}`);
  out.line(`  ${val}`);
  return 0;
}

/** nanogpt data tokenize OUT FILES...: text files as shards in the folder OUT; `-` among the files is standard input. */
export async function dataTokenize(options: TokenizeCommandOptions): Promise<number> {
  const { folder, files, shardTokens, valFraction } = options;
  const { train, val, empty } = await tokenizeFiles(folder, [...files], {
    ...(shardTokens !== undefined && { shardTokens }),
    ...(valFraction !== undefined && { valFraction }),
    stdin: { source: Deno.stdin, format: "txt" },
  });
  describeSplit("training", train);
  if (val.shards.length > 0) describeSplit("validation", val);
  if (empty > 0) out.line(`${empty} documents without text were left out`);
  return 0;
}

/** nanogpt data inspect FILE: what a shard holds. */
export async function dataInspect(file: string): Promise<number> {
  out.line(formatReport(await inspectShard(file)));
  return 0;
}

function describeSplit(name: string, { documents, tokens, shards }: SplitSummary): void {
  out.line(`${name}: ${tokens} tokens of ${documents} documents in`);
  for (const shard of shards) out.line(`  ${shard}`);
}
