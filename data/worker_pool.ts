// Batches through worker threads: encoded side by side, given back in the order in which they came, so that the result
// does not depend on how many workers there are. What is under way is bounded in number and in bytes. Knows no address
// of a worker: it is handed a function that starts one. Imports only lib/base and this folder.

import { describeError, InternalError, reviveError } from "../lib/base/errors.ts";
import type { Batch } from "./batches.ts";
import type { Encoded, EncodeReply, EncodeRequest } from "./encode_batch.ts";

/** Batches for each worker that wait or are encoded, or whose result waits for an earlier one. */
const BATCHES_AHEAD = 2;
/** Bytes of all of these; a single batch may have more. */
const MOST_BYTES_AHEAD = 64 << 20;

/** A batch, its bytes gone to a worker, and what was made of it. */
export interface EncodedBatch {
  readonly batch: Batch;
  readonly encoded: Encoded;
}

interface Job {
  readonly request: EncodeRequest;
  readonly done: (reply: EncodeReply) => void;
}

/** At most `most` workers, started when there is work for them, each with one batch at a time. */
export class WorkerPool implements Disposable {
  readonly most: number;
  readonly #startWorker: () => Worker;
  readonly #valFraction: number;
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #waiting: Job[] = [];

  constructor(startWorker: () => Worker, most: number, valFraction: number) {
    this.#startWorker = startWorker;
    this.most = most;
    this.#valFraction = valFraction;
  }

  /** Encodes a batch, whose bytes are gone afterwards. A failure is a reply too. */
  encode(batch: Batch): Promise<EncodeReply> {
    const request = { kind: "encode", batch, valFraction: this.#valFraction } as const;
    return new Promise((done) => {
      this.#waiting.push({ request, done });
      this.#assign();
    });
  }

  #assign(): void {
    const job = this.#waiting[0];
    const worker = job && (this.#idle.pop() ?? this.#startAnother());
    if (job === undefined || worker === undefined) return;
    this.#waiting.shift();
    const end = (reply: EncodeReply) => {
      job.done(reply);
      this.#idle.push(worker);
      this.#assign();
    };
    worker.onmessage = ({ data }: MessageEvent<EncodeReply>) => end(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const error = describeError(new InternalError(`A tokenize worker failed: ${event.message}`));
      end({ kind: "failed", error });
    };
    worker.postMessage(job.request, [job.request.batch.bytes.buffer]);
  }

  #startAnother(): Worker | undefined {
    if (this.#workers.length === this.most) return undefined;
    const worker = this.#startWorker();
    this.#workers.push(worker);
    return worker;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

/**
 * The batches with their tokens, in order, read ahead as far as the pool has use for. The first failure in that order
 * is thrown, whether a worker's or one of reading the batches.
 */
export async function* encodeInOrder(
  batches: AsyncGenerator<Batch, void, void>,
  pool: WorkerPool,
): AsyncGenerator<EncodedBatch, void, void> {
  const ahead: { batch: Batch; bytes: number; reply: Promise<EncodeReply> }[] = [];
  let bytesAhead = 0;
  let failure: { error: unknown } | undefined;
  try {
    for (let ended = false;;) {
      while (!ended && ahead.length < BATCHES_AHEAD * pool.most && bytesAhead < MOST_BYTES_AHEAD) {
        const next = await batches.next().catch((error) => {
          failure = { error };
        });
        ended = next === undefined || next.done === true;
        if (next?.value === undefined) continue;
        const bytes = next.value.bytes.length;
        ahead.push({ batch: next.value, bytes, reply: pool.encode(next.value) });
        bytesAhead += bytes;
      }
      const first = ahead.shift();
      if (first === undefined) break;
      bytesAhead -= first.bytes;
      const encoded = await first.reply;
      if (encoded.kind === "failed") throw reviveError(encoded.error);
      yield { batch: first.batch, encoded };
    }
    if (failure !== undefined) throw failure.error;
  } finally {
    await batches.return();
  }
}
