// Text files to token shards: every document one eos and its tokens, in the order given, cut into shards of a fixed
// number of tokens; every so many-th document goes to validation. The same input gives the same bytes. Nothing is
// published unless everything went well, and shards that are there already are never added to or replaced.
// Imports only lib/base, @std/path and this folder.

import { basename, join, resolve } from "@std/path";
import { messageOf, UserError } from "../lib/base/errors.ts";
import { ShardWriter } from "./shard.ts";
import { type ByteSource, formatOf, openText, readDocuments, type TextFormat } from "./text_files.ts";
import { encode, EOS, lastCut } from "./tokenizer.ts";

const BUFFER_TOKENS = 1 << 20;
// Text waits until this much is there, then is encoded up to the last safe cut.
const ENCODE_CHARACTERS = 1 << 18;

export interface TokenizeOptions {
  /** Tokens of a whole shard. */
  shardTokens?: number;
  /** Share of the documents that goes to validation: with 0.1 every tenth. */
  valFraction?: number;
  /** What the file name `-` reads from, and how. */
  stdin?: { source: ByteSource; format: TextFormat };
  /** Called after each document with what was done so far. */
  progress?: (done: { documents: number; tokens: number }) => void;
}

/** What was written of one split. */
export interface SplitSummary {
  documents: number;
  tokens: number;
  shards: string[];
}

export interface TokenizeSummary {
  train: SplitSummary;
  val: SplitSummary;
  /** Documents without any text, left out. */
  empty: number;
}

/** One split's shards: tokens go through a buffer into shards of `shardTokens`, all unpublished until the end. */
class SplitWriter {
  documents = 0;
  tokens = 0;
  readonly #prefix: string;
  readonly #shardTokens: number;
  readonly #buffer: Uint16Array;
  readonly #sealed: ShardWriter[] = [];
  #held = 0;
  #writer: ShardWriter | undefined;

  constructor(prefix: string, shardTokens: number) {
    this.#prefix = prefix;
    this.#shardTokens = shardTokens;
    this.#buffer = new Uint16Array(Math.min(BUFFER_TOKENS, shardTokens));
  }

  async add(tokens: number[]): Promise<void> {
    this.tokens += tokens.length;
    for (const token of tokens) {
      this.#buffer[this.#held++] = token;
      if (this.#held === this.#buffer.length) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    for (let start = 0; start < this.#held;) {
      this.#writer ??= await ShardWriter.create(
        `${this.#prefix}_${String(this.#sealed.length).padStart(6, "0")}.bin`,
      );
      const end = Math.min(this.#held, start + this.#shardTokens - this.#writer.count);
      await this.#writer.write(this.#buffer.subarray(start, end));
      start = end;
      if (this.#writer.count === this.#shardTokens) await this.#seal();
    }
    this.#held = 0;
  }

  async #seal(): Promise<void> {
    if (this.#writer === undefined) return;
    await this.#writer.seal();
    this.#sealed.push(this.#writer);
    this.#writer = undefined;
  }

  /** Completes the last shard. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#seal();
  }

  /** Gives all shards their names. */
  async publish(): Promise<SplitSummary> {
    for (const shard of this.#sealed) await shard.publish();
    return { documents: this.documents, tokens: this.tokens, shards: this.#sealed.map(({ path }) => path) };
  }

  /** Removes what is not published. */
  async discard(): Promise<void> {
    for (const shard of this.#sealed) await shard.discard();
    await this.#writer?.discard();
  }
}

/** Makes the folder; UserError where it cannot be made or holds shards of this name already. */
async function prepareFolder(folder: string, name: string): Promise<void> {
  let taken: string | undefined;
  try {
    await Deno.mkdir(folder, { recursive: true });
    for await (const entry of Deno.readDir(folder)) {
      if (entry.name.startsWith(`${name}_`) && entry.name.endsWith(".bin")) taken = entry.name;
    }
  } catch (error) {
    throw new UserError(`Cannot write into the folder ${folder}: ${messageOf(error)}`);
  }
  if (taken !== undefined) {
    throw new UserError(
      `The folder ${folder} holds shards already (${taken}); name another folder or remove them`,
    );
  }
}

/** Feeds the documents of one source to the splits. */
class DocumentSorter {
  empty = 0;
  #index = 0;
  readonly #valFraction: number;
  readonly #train: SplitWriter;
  readonly #val: SplitWriter;

  constructor(train: SplitWriter, val: SplitWriter, valFraction: number) {
    this.#train = train;
    this.#val = val;
    this.#valFraction = valFraction;
  }

  /** The split of document `index`: with fraction 0.1 the documents 9, 19, ... are for validation. */
  #splitOf(index: number): SplitWriter {
    const isVal = Math.floor((index + 1) * this.#valFraction) > Math.floor(index * this.#valFraction);
    return isVal ? this.#val : this.#train;
  }

  async addAll(source: ByteSource, name: string, format: TextFormat, progress: () => void): Promise<void> {
    let text = "";
    let split: SplitWriter | undefined; // of the document under way, once it has shown some text
    for await (const piece of readDocuments(source, name, format)) {
      text += piece.text;
      if (split === undefined && text.trim() !== "") {
        split = this.#splitOf(this.#index++);
        split.documents++;
        await split.add([EOS]);
      }
      if (split !== undefined && (piece.last || text.length >= ENCODE_CHARACTERS)) {
        const cut = piece.last ? text.length : lastCut(text);
        await split.add(encode(text.slice(0, cut)));
        text = text.slice(cut);
      }
      if (!piece.last) continue;
      if (split === undefined) this.empty++;
      split = undefined;
      text = "";
      progress();
    }
  }
}

/**
 * Tokenizes `files` (.txt: one document a file; .jsonl: the field `text` of each line; `-`: standard input) into
 * `out`/NAME_train_000000.bin, ... and `out`/NAME_val_000000.bin, ..., NAME being the folder's own name. UserError for
 * bad input with file and place, RunError when the disk fails; either leaves no shard behind.
 */
export async function tokenizeFiles(
  out: string,
  files: string[],
  { shardTokens = 100_000_000, valFraction = 0, stdin, progress }: TokenizeOptions = {},
): Promise<TokenizeSummary> {
  if (!Number.isSafeInteger(shardTokens) || shardTokens < 1 || shardTokens > 2 ** 31 - 1) {
    throw new UserError(`A shard must have between 1 and ${2 ** 31 - 1} tokens, not ${shardTokens}`);
  }
  if (!(valFraction >= 0 && valFraction < 1)) {
    throw new UserError(
      `The share of validation documents must be at least 0 and below 1, not ${valFraction}`,
    );
  }
  if (files.length === 0) throw new UserError("Nothing to tokenize: name at least one .txt or .jsonl file");
  const formats = files.map((path) => path === "-" ? stdin?.format ?? "txt" : formatOf(path));
  const name = basename(resolve(out));
  await prepareFolder(out, name);
  const train = new SplitWriter(join(out, `${name}_train`), shardTokens);
  const val = new SplitWriter(join(out, `${name}_val`), shardTokens);
  const sorter = new DocumentSorter(train, val, valFraction);
  const report = () =>
    progress?.({ documents: train.documents + val.documents, tokens: train.tokens + val.tokens });
  try {
    for (const [i, path] of files.entries()) {
      const format = formats[i] ?? "txt";
      if (path === "-") {
        if (stdin === undefined) {
          throw new UserError("Cannot tokenize -: standard input is not available here");
        }
        await sorter.addAll(stdin.source, "standard input", format, report);
      } else {
        using file = await openText(path);
        await sorter.addAll(file, path, format, report);
      }
    }
    if (train.documents + val.documents === 0) {
      throw new UserError(`Nothing to tokenize: no document with any text in ${files.join(", ")}`);
    }
    await train.finish();
    await val.finish();
    return { train: await train.publish(), val: await val.publish(), empty: sorter.empty };
  } finally {
    await train.discard();
    await val.discard();
  }
}
