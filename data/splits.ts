// The training and validation shards of one folder while they are made: tokens come in order and go into shards of a
// fixed size, which get their names only when everything is there. Shards that are there already are never added to or
// replaced. Refuses a folder that holds some. Imports only lib/base, @std/path and this folder.

import { basename, join, resolve } from "@std/path";
import { InternalError, messageOf, UserError } from "../lib/base/errors.ts";
import { ShardWriter } from "./shard.ts";
import { EOS } from "./tokenizer.ts";
import type { EncodedBatch } from "./worker_pool.ts";

const BUFFER_TOKENS = 1 << 20;

/** What was written of one split. */
export interface SplitSummary {
  documents: number;
  tokens: number;
  shards: string[];
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

  async add(tokens: Uint16Array): Promise<void> {
    this.tokens += tokens.length;
    for (let start = 0; start < tokens.length;) {
      const part = tokens.subarray(start, start + this.#buffer.length - this.#held);
      this.#buffer.set(part, this.#held);
      this.#held += part.length;
      start += part.length;
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

/** A document that comes in pieces: they wait until it is known for which split they are, and that there is text. */
interface OpenDocument {
  readonly waiting: Uint16Array[];
  begun: boolean;
  blank: boolean;
}

/** Both splits of `folder`. */
export class SplitsWriter {
  readonly train: SplitWriter;
  readonly val: SplitWriter;
  /** Documents without any text, left out. */
  empty = 0;
  #open: OpenDocument | undefined;

  /** The shards will be `folder`/NAME_train_000000.bin, ... and so on, NAME being the folder's own name. */
  constructor(folder: string, shardTokens: number) {
    const name = basename(resolve(folder));
    this.train = new SplitWriter(join(folder, `${name}_train`), shardTokens);
    this.val = new SplitWriter(join(folder, `${name}_val`), shardTokens);
  }

  /** Writes what was made of the next batch. */
  async add({ batch, encoded }: EncodedBatch): Promise<void> {
    if (encoded.kind === "documents") {
      this.train.documents += encoded.train.documents;
      this.val.documents += encoded.val.documents;
      this.empty += encoded.empty;
      await this.train.add(encoded.train.tokens);
      await this.val.add(encoded.val.tokens);
      return;
    }
    if (batch.kind !== "piece") throw new InternalError(`a batch of ${batch.kind} was encoded as a piece`);
    const document = this.#open ??= { waiting: [], begun: false, blank: true };
    document.waiting.push(encoded.tokens);
    document.blank &&= encoded.blank;
    if (batch.isVal !== undefined && !document.blank) {
      await this.#write(document, batch.isVal ? this.val : this.train);
    }
    if (!batch.last) return;
    if (document.blank) this.empty++;
    this.#open = undefined;
  }

  async #write(document: OpenDocument, split: SplitWriter): Promise<void> {
    if (!document.begun) {
      document.begun = true;
      split.documents++;
      await split.add(Uint16Array.of(EOS));
    }
    for (const tokens of document.waiting.splice(0)) await split.add(tokens);
  }

  /** Completes the shards and gives them their names. */
  async publish(): Promise<{ train: SplitSummary; val: SplitSummary }> {
    await this.train.finish();
    await this.val.finish();
    return { train: await this.train.publish(), val: await this.val.publish() };
  }

  /** Removes what is not published. */
  async discard(): Promise<void> {
    await this.train.discard();
    await this.val.discard();
  }
}

/** Makes the folder; UserError where it cannot be made or holds shards of this name already. */
export async function prepareFolder(folder: string): Promise<void> {
  const name = basename(resolve(folder));
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
