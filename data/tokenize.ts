// Documents to token shards: every document one eos and its tokens, in the order given. A share of them goes to
// validation, chosen by a hash of each document's text. Workers encode; the same input gives the same bytes for any
// number of them. Nothing is published unless everything went well. Imports only lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import { type DocumentSource, kindOf, readBatches } from "./batches.ts";
import { prepareFolder, type SplitSummary, SplitsWriter } from "./splits.ts";
import { type ByteSource, sizeOfText } from "./text_files.ts";
import { encodeInOrder, WorkerPool } from "./worker_pool.ts";

export interface TokenizeOptions {
  /** Starts worker.ts. */
  startWorker: () => Worker;
  /** How many of them at most. */
  workers: number;
  /** Tokens of a whole shard. */
  shardTokens?: number;
  /** Share of the documents that goes to validation: those whose hash is below it. */
  valFraction?: number;
  /** Field of a line's object, or column, with the text. */
  field?: string;
  /** What the file name `-` reads from, and how: "txt", "jsonl", "jsonl.gz" and so on. */
  stdin?: { source: ByteSource; format: string };
  /** Called from time to time with what was done so far. */
  progress?: (done: TokenizeProgress) => void;
  /** Ends the work: its reason is thrown, and no shard is left behind. */
  signal?: AbortSignal;
}

export interface TokenizeProgress {
  documents: number;
  tokens: number;
  /** Bytes of the files that were read and encoded, as they lie on the disk. */
  bytes: number;
  /** Bytes of all files; undefined with standard input among them. */
  totalBytes: number | undefined;
}

export interface TokenizeSummary {
  train: SplitSummary;
  val: SplitSummary;
  /** Documents without any text, left out. */
  empty: number;
  /** Bytes of the sources as they lie on the disk. */
  bytes: number;
}

/** The sources by their names, each of which is there; UserError for what cannot be tokenized. */
async function findSources(
  files: readonly string[],
  stdin: TokenizeOptions["stdin"],
): Promise<DocumentSource[]> {
  if (files.length === 0) throw new UserError("Nothing to tokenize: name at least one file");
  const sources: DocumentSource[] = [];
  for (const name of files) {
    if (name === "-") {
      if (stdin === undefined) throw new UserError("Cannot tokenize -: standard input is not available here");
      const kind = kindOf(`-.${stdin.format}`);
      sources.push({ name: "standard input", kind, stream: stdin.source, bytes: 0 });
      continue;
    }
    const kind = kindOf(name);
    sources.push({ name, kind, stream: undefined, bytes: await sizeOfText(name) });
  }
  return sources;
}

function checkNumbers(shardTokens: number, valFraction: number): void {
  if (!Number.isSafeInteger(shardTokens) || shardTokens < 1 || shardTokens > 2 ** 31 - 1) {
    throw new UserError(`A shard must have between 1 and ${2 ** 31 - 1} tokens, not ${shardTokens}`);
  }
  if (!(valFraction >= 0 && valFraction < 1)) {
    throw new UserError(
      `The share of validation documents must be at least 0 and below 1, not ${valFraction}`,
    );
  }
}

/**
 * What `promise` gives, or the signal's reason as soon as it aborts. Not Promise.race with a promise of the abort: that
 * one would keep every result it was ever raced with.
 */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((done, fail) => {
    const abort = () => fail(signal.reason);
    signal.addEventListener("abort", abort);
    promise.then(done, fail).finally(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) abort();
  });
}

/**
 * Tokenizes `files` (.txt: one document a file; .jsonl: a field of each line; .parquet: a column; `-`: standard input)
 * into `out`/NAME_train_000000.bin, ... and `out`/NAME_val_000000.bin, ..., NAME being the folder's own name. UserError
 * for bad input with file and place, RunError when the disk fails; either leaves no shard behind.
 */
export async function tokenizeFiles(
  out: string,
  files: readonly string[],
  options: TokenizeOptions,
): Promise<TokenizeSummary> {
  const { shardTokens = 100_000_000, valFraction = 0, field = "text", stdin, signal } = options;
  checkNumbers(shardTokens, valFraction);
  const sources = await findSources(files, stdin);
  const totalBytes = files.includes("-") ? undefined : sources.reduce((sum, { bytes }) => sum + bytes, 0);
  await prepareFolder(out);
  const splits = new SplitsWriter(out, shardTokens);
  using pool = new WorkerPool(options.startWorker, options.workers, valFraction);
  const encoded = encodeInOrder(readBatches(sources, { field, valFraction }), pool);
  let bytes = 0;
  try {
    while (true) {
      const { done, value } = await unlessAborted(encoded.next(), signal);
      if (done) break;
      await splits.add(value);
      bytes = value.batch.bytesRead;
      const { train, val } = splits;
      const documents = train.documents + val.documents, tokens = train.tokens + val.tokens;
      options.progress?.({ documents, tokens, bytes, totalBytes });
    }
    if (splits.train.documents + splits.val.documents === 0) {
      throw new UserError(`Nothing to tokenize: no document with any text in ${files.join(", ")}`);
    }
    return { ...await splits.publish(), empty: splits.empty, bytes };
  } finally {
    // Of an aborted one nobody waits for the read that may be under way.
    if (!signal?.aborted) await encoded.return();
    await splits.discard();
  }
}
