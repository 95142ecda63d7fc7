// Times what feeds the training: the loader on a shard of its own making, and the tokenizer on the built-in corpus.
// Leaves nothing on the disk. Says nothing of the disk's speed: the shard comes from the system's cache. May import
// lib/base, lib/run/timing.ts, data/ and @std/path.

import { join } from "@std/path";
import { builtinPaths } from "../../data/corpus.ts";
import { DataLoader } from "../../data/loader.ts";
import { openShard, ShardWriter } from "../../data/shard.ts";
import { tokenizeFiles } from "../../data/tokenize.ts";
import { decode, encodeDocument, EOS, TOKENIZER_VOCAB } from "../../data/tokenizer.ts";
import { RandomStream } from "../base/random.ts";
import { type Budget, cpuSeconds, repeat, type Timing, timingOf } from "./timing.ts";

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

/** What was found of the tokenizer: a run is of all texts on one core. */
export interface TokenizerFigures extends DataFigures {
  /** The encoder alone on one core, then the whole command, files on the disk included, with all workers. */
  readonly rates: readonly [TextRate, TextRate];
}

/** Bytes of text per second on the clock, and per second that processors spent: other work on them slows only the first. */
export interface TextRate {
  /** 0: the encoder alone. */
  readonly workers: number;
  readonly bytesPerSecond: number;
  readonly bytesPerCpuSecond: number;
}

/** The texts of the corpus, this many times over, are long enough beside the start of the workers. */
const CORPUS_REPEATS = 8;

/** Times the tokenizer on the built-in corpus's training texts, out of the shard in the folder `corpus`. */
export async function benchTokenizer(
  corpus: string,
  workers: number,
  startWorker: () => Worker,
  budget: Budget,
): Promise<TokenizerFigures> {
  const texts = await readTexts(builtinPaths(corpus).train);
  const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
  encodeDocument(texts[0] ?? ""); // builds the tables
  const ms: number[] = [];
  let tokens = 0;
  const cpuStarted = cpuSeconds();
  await repeat(budget, () => {
    const started = performance.now();
    tokens = texts.reduce((sum, text) => sum + encodeDocument(text).length - 1, 0);
    ms.push(performance.now() - started);
  });
  const timing = timingOf(ms);
  const bytesPerCpuSecond = ms.length * bytes / (cpuSeconds() - cpuStarted);
  const alone = { workers: 0, bytesPerSecond: bytes / timing.medianMs * 1000, bytesPerCpuSecond };
  return { timing, tokens, bytes, rates: [alone, await rateOfWorkers(texts, bytes, workers, startWorker)] };
}

/** The command on all texts, `bytes` of them, CORPUS_REPEATS times over in a file of lines. */
async function rateOfWorkers(
  texts: readonly string[],
  bytes: number,
  workers: number,
  startWorker: () => Worker,
): Promise<TextRate> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt-bench-" });
  try {
    const file = join(folder, "corpus.jsonl");
    const lines = texts.map((text) => JSON.stringify({ text }) + "\n").join("");
    for (let round = 0; round < CORPUS_REPEATS; round++) {
      await Deno.writeTextFile(file, lines, { append: true });
    }
    const started = performance.now(), cpuStarted = cpuSeconds();
    await tokenizeFiles(join(folder, "shards"), [file], { startWorker, workers });
    const seconds = (performance.now() - started) / 1000;
    const total = CORPUS_REPEATS * bytes;
    const bytesPerCpuSecond = total / (cpuSeconds() - cpuStarted);
    return { workers, bytesPerSecond: total / seconds, bytesPerCpuSecond };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The documents of a shard as text. */
async function readTexts(path: string): Promise<string[]> {
  const reader = await openShard(path);
  try {
    const tokens = new Uint16Array(reader.count);
    await reader.read(0, tokens);
    const texts: string[] = [];
    for (let start = 1; start <= tokens.length;) {
      const next = tokens.indexOf(EOS, start);
      const end = next < 0 ? tokens.length : next;
      texts.push(decode(tokens.subarray(start, end)));
      start = end + 1;
    }
    return texts;
  } finally {
    reader.close();
  }
}
