// The bench of the sequence's length: blocks of the record's width on one sequence of the built-in corpus, documents as
// they are, so that a token's cost at 1,024 tokens can be held against that at 65,536. Two blocks, and a vocabulary so
// small that head and embedding cost next to nothing. Prints nothing. Imports data/, lib/config's presets and lib/run.

import { builtinPaths } from "../../data/corpus.ts";
import { openShard } from "../../data/shard.ts";
import { PRESETS } from "../config/presets.ts";
import { benchTraining, type TrainingBenchOptions, type TrainingFigures } from "./bench_train.ts";

/** Tokens of the sequence, from shortest to longest: up to the record's own. */
export const CONTEXT_LENGTHS = [1024, 4096, 16384, 65536] as const;

const { model, optim, schedule } = PRESETS["speedrun-2024-11-19"].values;
/** The window stays the record's 1,024 tokens. */
const BLOCKS = { ...model, layers: 2, vocab: 1024, eos: 1023 };

/** What one length gave. */
export interface ContextFigures extends TrainingFigures {
  /** Of one run: attention's steps, forward and backward together. */
  readonly attentionMs: number;
}

/** Times forward and backward of one sequence of `length` tokens. */
export async function benchContext(
  corpus: string,
  length: number,
  options: TrainingBenchOptions,
): Promise<ContextFigures> {
  const tokens = await documents(builtinPaths(corpus).train, length + 1);
  const work = { model: BLOCKS, optim, schedule, sequenceLength: length, sequences: 1, tokens };
  const found = await benchTraining({ ...work, part: "accumulate" }, { ...options, byStep: true });
  const steps = found.steps ?? [];
  const attention = steps.filter(({ op }) => op.startsWith("attention"));
  const attentionMs = attention.reduce((sum, { ms }) => sum + ms, 0);
  return { ...found, attentionMs, steps: options.byStep ? steps : undefined };
}

/** The corpus's first tokens, squeezed into the small vocabulary; documents begin where they do. */
async function documents(shard: string, count: number): Promise<Int32Array> {
  const reader = await openShard(shard);
  try {
    const tokens = new Uint16Array(count);
    await reader.read(0, tokens);
    return Int32Array.from(tokens, (token) => token === model.eos ? BLOCKS.eos : token % BLOCKS.eos);
  } finally {
    reader.close();
  }
}
