// Times what feeds the training: the loader on a shard of its own making, and the tokenizer on the built-in corpus.
// Leaves nothing on the disk. Says nothing of the disk's speed: the shard comes from the system's cache. May import
// lib/base, lib/run/timing.ts, data/ and @std/path.

import { join } from "@std/path";
import { DataLoader } from "../../data/loader.ts";
import { ShardWriter } from "../../data/shard.ts";
import { encode, TOKENIZER_VOCAB } from "../../data/tokenizer.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { RandomStream } from "../base/random.ts";
import { type Budget, repeat, type Timing, timingOf } from "./timing.ts";

/** What was found: a run is `tokens` tokens made of, or lying in, `bytes` bytes. */
export interface DataFigures {
  readonly timing: Timing;
  readonly tokens: number;
  readonly bytes: number;
}

/** The loader's work: the record's steps out of one shard. */
export interface LoaderWork {
  readonly sequenceLength: number;
  readonly batchSequences: number;
  /** Steps of a run. */
  readonly steps: number;
}

const BLOCK_TOKENS = 1 << 20;

/** Times runs of `steps` steps each. The shard was just written: it comes from the system's cache, not from the disk. */
export async function benchLoader(work: LoaderWork, budget: Budget): Promise<DataFigures> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt-bench-" });
  try {
    const stepTokens = work.sequenceLength * work.batchSequences;
    const shard = join(folder, "bench.bin");
    await writeShard(shard, work.steps * stepTokens + 1);
    const loader = await DataLoader.open({
      shards: [shard],
      sequenceLength: work.sequenceLength,
      batchSequences: work.batchSequences,
      deviceBatchSequences: 1,
      vocab: TOKENIZER_VOCAB,
    });
    const ms: number[] = [];
    try {
      await loader.next();
      await repeat(budget, async () => {
        const started = performance.now();
        for (let step = 0; step < work.steps; step++) await loader.next();
        ms.push(performance.now() - started);
      });
    } finally {
      await loader.close();
    }
    const tokens = work.steps * stepTokens;
    return { timing: timingOf(ms), tokens, bytes: 2 * tokens };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeShard(path: string, tokens: number): Promise<void> {
  const words = new Uint32Array(Math.min(BLOCK_TOKENS, tokens + 3 - (tokens + 3) % 4));
  new RandomStream(1, 0).words(0, words);
  const block = Uint16Array.from(words, (word) => word % TOKENIZER_VOCAB);
  const writer = await ShardWriter.create(path);
  try {
    for (let left = tokens; left > 0; left -= block.length) {
      await writer.write(block.subarray(0, Math.min(block.length, left)));
    }
    await writer.seal();
    await writer.publish();
  } finally {
    await writer.discard();
  }
}

/** Times the tokenizer, which uses one core, on the texts of the package folder `corpusText`. */
export async function benchTokenizer(corpusText: string, budget: Budget): Promise<DataFigures> {
  const texts = await readTexts(join(corpusText, "data"));
  const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
  encode(texts[0] ?? ""); // builds the tables
  const ms: number[] = [];
  let tokens = 0;
  await repeat(budget, () => {
    const started = performance.now();
    tokens = texts.reduce((sum, text) => sum + encode(text).length, 0);
    ms.push(performance.now() - started);
  });
  return { timing: timingOf(ms), tokens, bytes };
}

async function readTexts(folder: string): Promise<string[]> {
  try {
    const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) =>
      name.endsWith(".txt")
    );
    return await Promise.all(names.map((name) => Deno.readTextFile(join(folder, name))));
  } catch (error) {
    throw new UserError(`Cannot read the built-in corpus's text in ${folder}: ${messageOf(error)}`);
  }
}
