// The training loader: fixed-size steps of sequences out of a list of shards, each step's tokens independent of how
// they are split over microbatches and ranks. The file read of a step is ahead, under way while the step before it is
// used; the whole state is the shard's number and a position. Each sequence stands alone. Refuses shards that it
// cannot serve a step from. Imports only lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import { checkTokens, openShard, type ShardReader } from "./shard.ts";

/** Where the next step that nobody was given yet begins: token `position` of shard number `shard`. */
export interface LoaderState {
  shard: number;
  position: number;
}

/** What a shard is known by again: its length, and the SHA-256 (hex) of its header and both ends. */
export interface ShardRecord {
  readonly tokens: number;
  readonly sha256: string;
}

/** `b` sequences of T tokens in a row, and for each token the one that follows it: both int32 [b*T]. */
export interface Microbatch {
  tokens: Int32Array;
  targets: Int32Array;
}

/**
 * One rank's part of a step. The arrays are reused: they hold until the second batch after it is handed out, so that a step
 * may be under way while the next is begun.
 */
export interface Batch {
  microbatches: Microbatch[];
}

export interface LoaderOptions {
  /** Shard paths in the order they are served. */
  shards: string[];
  /** T, in tokens. */
  sequenceLength: number;
  /** Sequences of a step, over all ranks and microbatches. */
  batchSequences: number;
  /** b, sequences of a microbatch. */
  deviceBatchSequences: number;
  /** Tokens must be below this. */
  vocab: number;
  rank?: number;
  ranks?: number;
}

/** Positions are exact in float64 and in JSON: whole and not negative. */
const isIndex = (value: number) => Number.isSafeInteger(value) && value >= 0;

/** Throws a UserError unless each of the named sizes is a whole number of at least 1. */
export function checkSizes(sizes: Record<string, number>): void {
  for (const [name, value] of Object.entries(sizes)) {
    if (!isIndex(value) || value < 1) {
      throw new UserError(`${name} must be a whole number of at least 1, not ${value}`);
    }
  }
}

/** Fills `into` with the [b*T] tokens from `first` on of `tokens`, and with their successors. */
export function fillMicrobatch(into: Microbatch, tokens: Uint16Array, first: number): void {
  const count = into.tokens.length;
  into.tokens.set(tokens.subarray(first, first + count));
  into.targets.set(tokens.subarray(first + 1, first + 1 + count));
}

async function describeShard(path: string): Promise<ShardRecord> {
  const reader = await openShard(path);
  try {
    return { tokens: reader.count, sha256: await reader.fingerprint() };
  } finally {
    reader.close();
  }
}

export class DataLoader {
  readonly #options: Required<LoaderOptions>;
  readonly #shards: readonly ShardRecord[];
  /** Tokens from the start of one step to the start of the next, S. */
  readonly #stepTokens: number;
  /** S + 1 tokens as they lie in the shard: the last target lies one past the step. */
  readonly #raw: Uint16Array;
  /** The two steps handed out last and the step after them, in turn. */
  readonly #batches: [Batch, Batch, Batch];
  #filling: 0 | 1 | 2 = 0;
  #next: LoaderState = { shard: 0, position: 0 };
  #pending: Promise<void> | undefined;
  #open: { shard: number; reader: ShardReader } | undefined;

  private constructor(options: Required<LoaderOptions>, shards: readonly ShardRecord[]) {
    this.#options = options;
    this.#shards = shards;
    this.#stepTokens = options.batchSequences * options.sequenceLength;
    this.#raw = new Uint16Array(this.#stepTokens + 1);
    this.#batches = [this.#allocate(), this.#allocate(), this.#allocate()];
  }

  /** Opens and checks every shard; UserError for a faulty shard, one shorter than a step, or sizes that do not divide. */
  static async open(given: LoaderOptions): Promise<DataLoader> {
    const options = { rank: 0, ranks: 1, ...given };
    const { shards, sequenceLength, batchSequences, deviceBatchSequences, vocab, rank, ranks } = options;
    checkSizes({
      "data.sequenceLength": sequenceLength,
      "data.batchSequences": batchSequences,
      "data.deviceBatchSequences": deviceBatchSequences,
      "model.vocab": vocab,
      "the number of ranks": ranks,
    });
    if (batchSequences % (ranks * deviceBatchSequences) !== 0) {
      throw new UserError(
        `data.batchSequences (${batchSequences}) must be a multiple of data.deviceBatchSequences ` +
          `(${deviceBatchSequences}) times the number of ranks (${ranks})`,
      );
    }
    if (!isIndex(rank) || rank >= ranks) {
      throw new UserError(`Rank ${rank} does not exist among ${ranks} ranks`);
    }
    if (shards.length === 0) throw new UserError("data.train names no shard");
    const records: ShardRecord[] = [];
    const stepTokens = batchSequences * sequenceLength;
    for (const path of shards) {
      const record = await describeShard(path);
      if (record.tokens < stepTokens + 1) {
        throw new UserError(
          `Shard ${path} of data.train is shorter than one step: it holds ${record.tokens} tokens, one step needs ` +
            `${stepTokens + 1} (data.batchSequences times data.sequenceLength, ${batchSequences} times ` +
            `${sequenceLength}, and one); lower one of them or use larger shards`,
        );
      }
      records.push(record);
    }
    return new DataLoader(options, records);
  }

  #allocate(): Batch {
    const { sequenceLength, batchSequences, deviceBatchSequences, ranks } = this.#options;
    const count = deviceBatchSequences * sequenceLength;
    return {
      microbatches: Array.from({ length: batchSequences / (ranks * deviceBatchSequences) }, () => ({
        tokens: new Int32Array(count),
        targets: new Int32Array(count),
      })),
    };
  }

  /** Token count and fingerprint of each shard, in order: what a checkpoint stores to know the same data again. */
  describeShards(): ShardRecord[] {
    return [...this.#shards];
  }

  /** Where the next unserved step begins; what was only read ahead does not count. */
  state(): LoaderState {
    return { ...this.#next };
  }

  /** Goes on from a stored state; UserError where these shards and sizes cannot have made it. */
  async restore(state: LoaderState): Promise<void> {
    const { shard, position } = state;
    const count = this.#shards[shard]?.tokens;
    const stepTokens = this.#stepTokens;
    if (count === undefined) {
      throw new UserError(
        `Cannot resume at shard ${shard} of data.train: there are ${this.#shards.length} shards`,
      );
    }
    if (!isIndex(position) || position % stepTokens !== 0 || position + stepTokens >= count) {
      throw new UserError(
        `Cannot resume at token ${position} of ${this.#options.shards[shard]}: expected a multiple of the ` +
          `step's ${stepTokens} tokens with a whole step before the end at ${count}; data.train must be as it was`,
      );
    }
    await this.#settle();
    this.#next = { shard, position };
  }

  /**
   * This rank's part of the next step, its tokens checked. When this returns, the file read of the step after it is
   * under way, or at a shard's end the opening of the next shard; its check and its batch wait for the next call.
   * UserError for a token at or above the vocabulary or a shard that changed, RunError when the disk fails.
   */
  async next(): Promise<Batch> {
    const pending = this.#pending ?? this.#load(this.#next);
    this.#pending = undefined;
    await pending;
    const batch = this.#batches[this.#filling];
    this.#filling = this.#filling === 0 ? 1 : this.#filling === 1 ? 2 : 0;
    this.#next = this.#after(this.#next);
    this.#pending = this.#load(this.#next);
    this.#pending.catch(() => undefined); // told by the call that would hand this step out, if it comes
    return batch;
  }

  /** Waits for a read under way and closes the shard. */
  async close(): Promise<void> {
    await this.#settle();
    this.#open?.reader.close();
    this.#open = undefined;
  }

  async #settle(): Promise<void> {
    await this.#pending?.catch(() => undefined);
    this.#pending = undefined;
  }

  #after({ shard, position }: LoaderState): LoaderState {
    const moved = position + this.#stepTokens;
    const fits = moved + this.#stepTokens < (this.#shards[shard]?.tokens ?? 0);
    return fits ? { shard, position: moved } : { shard: (shard + 1) % this.#shards.length, position: 0 };
  }

  /**
   * Reads the step at `at`, checks it and fills the batch that was handed out longest ago. From an open shard the read
   * starts before this returns; what follows it runs once the caller awaits something.
   */
  async #load(at: LoaderState): Promise<void> {
    const { sequenceLength, deviceBatchSequences: b, ranks, rank, vocab } = this.#options;
    const reader = this.#open?.shard === at.shard ? this.#open.reader : await this.#openShard(at.shard);
    await reader.read(at.position, this.#raw);
    // Every rank checks the whole step, so that all of them stop with the same message.
    checkTokens(this.#raw, at.position, reader.path, vocab);
    this.#batches[this.#filling].microbatches.forEach((microbatch, m) => {
      fillMicrobatch(microbatch, this.#raw, (m * ranks + rank) * b * sequenceLength);
    });
  }

  async #openShard(shard: number): Promise<ShardReader> {
    this.#open?.reader.close();
    this.#open = undefined;
    const path = this.#options.shards[shard] ?? "";
    const reader = await openShard(path);
    const tokens = this.#shards[shard]?.tokens;
    if (reader.count !== tokens) {
      reader.close();
      throw new UserError(
        `Shard ${path} changed during the run: it held ${tokens} tokens, now ${reader.count}; ` +
          "do not change shards during a run",
      );
    }
    this.#open = { shard, reader };
    return reader;
  }
}
