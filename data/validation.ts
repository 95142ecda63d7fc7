// The validation tokens: the first `valTokens` of the first validation shard, in sequences of T, read anew each time
// they are asked for. Refuses a shard that is too short, and a share of a sequence. Imports only lib/base and this
// folder.

import { UserError } from "../lib/base/errors.ts";
import { checkSizes, fillMicrobatch, type Microbatch } from "./loader.ts";
import { checkTokens, openShard, type ShardReader } from "./shard.ts";

export interface ValidationOptions {
  /** Shard paths; only the first is read. */
  shards: string[];
  /** T, in tokens. */
  sequenceLength: number;
  /** Tokens of one validation, a multiple of T. */
  valTokens: number;
  /** b, sequences of a microbatch. */
  deviceBatchSequences: number;
  /** Tokens must be below this. */
  vocab: number;
  /** What messages call the shards and `valTokens`, where they do not come from the keys of a configuration. */
  names?: { val?: string; valTokens?: string };
}

/** `sequences` sequences of T tokens and their successors: int32 [sequences*T]; the arrays are reused. */
export interface ValidationBatch extends Microbatch {
  sequences: number;
}

export class ValidationReader {
  readonly #options: ValidationOptions;
  readonly #reader: ShardReader;
  readonly #raw: Uint16Array;
  readonly #whole: Microbatch;

  private constructor(options: ValidationOptions, reader: ShardReader) {
    const count = options.deviceBatchSequences * options.sequenceLength;
    this.#options = options;
    this.#reader = reader;
    this.#raw = new Uint16Array(count + 1);
    this.#whole = { tokens: new Int32Array(count), targets: new Int32Array(count) };
  }

  /** Opens and checks the first shard; UserError where it is faulty or shorter than `valTokens` and one. */
  static async open(options: ValidationOptions): Promise<ValidationReader> {
    const { shards, sequenceLength, valTokens, deviceBatchSequences, vocab } = options;
    const { val: valName = "data.val", valTokens: tokensName = "data.valTokens" } = options.names ?? {};
    checkSizes({
      "data.sequenceLength": sequenceLength,
      [tokensName]: valTokens,
      "data.deviceBatchSequences": deviceBatchSequences,
      "model.vocab": vocab,
    });
    if (valTokens % sequenceLength !== 0) {
      throw new UserError(
        `${tokensName} (${valTokens}) must be a multiple of data.sequenceLength (${sequenceLength}); the next lower ` +
          `is ${valTokens - valTokens % sequenceLength}`,
      );
    }
    const path = shards[0];
    if (path === undefined) throw new UserError(`${valName} names no shard`);
    const reader = await openShard(path);
    if (reader.count < valTokens + 1) {
      reader.close();
      const most = Math.max(0, Math.floor((reader.count - 1) / sequenceLength) * sequenceLength);
      throw new UserError(
        `Shard ${path} of ${valName} is too short for ${tokensName} ${valTokens}: it holds ${reader.count} tokens, ` +
          `${valTokens + 1} are needed (the last target is one past the last token); ` +
          (most > 0
            ? `lower ${tokensName} to at most ${most}`
            : "lower data.sequenceLength or use a larger shard"),
      );
    }
    return new ValidationReader(options, reader);
  }

  /** Sequences of one validation. */
  get sequences(): number {
    return this.#options.valTokens / this.#options.sequenceLength;
  }

  /** Microbatches of one validation. */
  get length(): number {
    return Math.ceil(this.sequences / this.#options.deviceBatchSequences);
  }

  /**
   * The microbatches from the start, of several ranks those whose turn it is; the last may hold fewer sequences than the
   * others. One iteration at a time. UserError for a token at or above the vocabulary.
   */
  async *batches(rank = 0, ranks = 1): AsyncGenerator<ValidationBatch, void, void> {
    const { sequenceLength, deviceBatchSequences, vocab } = this.#options;
    const turn = deviceBatchSequences;
    for (let first = rank * turn; first < this.sequences; first += ranks * turn) {
      const sequences = Math.min(deviceBatchSequences, this.sequences - first);
      const count = sequences * sequenceLength;
      const raw = this.#raw.subarray(0, count + 1);
      await this.#reader.read(first * sequenceLength, raw);
      checkTokens(raw, first * sequenceLength, this.#reader.path, vocab);
      const batch = {
        sequences,
        tokens: this.#whole.tokens.subarray(0, count),
        targets: this.#whole.targets.subarray(0, count),
      };
      fillMicrobatch(batch, raw, 0);
      yield batch;
    }
  }

  close(): void {
    this.#reader.close();
  }
}
