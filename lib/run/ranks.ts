// The ranks of a run, each a worker of this process: how they meet, and the few numbers and bytes that they tell each other
// through memory that all of them have. What lies on devices they exchange by the plan's collectives, not here. Whoever fails
// leaves, and the others' next meeting ends them. A lone rank meets nobody. May import lib/base and the optimisers.

import { InternalError } from "../base/errors.ts";
import type { Rank } from "../optim/sharing.ts";

/** A rank's place, and the memory where it meets the others; undefined for a lone one. Crosses to the worker. */
export interface RankPlace extends Rank {
  readonly shared: SharedArrayBuffer | undefined;
}

/** The only rank of a run. */
export const LONE: RankPlace = { rank: 0, ranks: 1, shared: undefined };

/** A rank has left because it failed, so that the others cannot go on either. What it says, it says itself. */
export class RankLeft extends Error {
  override name = "RankLeft";
}

/** Cells of the control words. */
const ARRIVED = 0;
const GENERATION = 1;
const LEFT = 2;
const LENGTH = 3;
const CONTROL_BYTES = 16;
/** Numbers that each rank can tell at a time, and bytes that one can. */
const SLOT = 64;
const PIECE_BYTES = 1 << 22;

/** The places of so many ranks, which share memory made here. */
export function placesFor(ranks: number): RankPlace[] {
  if (ranks === 1) return [LONE];
  const shared = new SharedArrayBuffer(CONTROL_BYTES + 8 * SLOT * ranks + PIECE_BYTES);
  return Array.from({ length: ranks }, (_, rank) => ({ rank, ranks, shared }));
}

/** A rank among the others. All of them must make the same calls in the same order. */
export class Ranks implements Rank {
  readonly rank: number;
  readonly ranks: number;
  readonly #control: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;

  constructor({ rank, ranks, shared }: RankPlace) {
    const memory = shared ?? new SharedArrayBuffer(CONTROL_BYTES); // a lone rank tells nothing
    this.rank = rank;
    this.ranks = ranks;
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#numbers = new Float64Array(memory, CONTROL_BYTES, shared ? SLOT * ranks : 0);
    this.#bytes = new Uint8Array(memory, CONTROL_BYTES + this.#numbers.byteLength);
  }

  /** Whether this is the rank that writes the run's files and tells of it. */
  get isFirst(): boolean {
    return this.rank === 0;
  }

  /** Waits until every rank has come here; RankLeft where one will not. */
  meet(): void {
    if (this.ranks === 1) return;
    const control = this.#control;
    const generation = Atomics.load(control, GENERATION);
    if (Atomics.add(control, ARRIVED, 1) === this.ranks - 1) {
      Atomics.store(control, ARRIVED, 0);
      Atomics.add(control, GENERATION, 1);
      Atomics.notify(control, GENERATION);
    }
    while (Atomics.load(control, GENERATION) === generation) {
      if (Atomics.load(control, LEFT) !== 0) throw new RankLeft("Another rank has failed");
      Atomics.wait(control, GENERATION, generation, 100);
    }
  }

  /** Says that this rank comes to no further meeting. */
  leave(): void {
    Atomics.store(this.#control, LEFT, 1);
    Atomics.notify(this.#control, GENERATION);
  }

  /** The numbers of all ranks, by rank; each must give as many. */
  gather(numbers: readonly number[]): number[][] {
    if (this.ranks === 1) return [[...numbers]];
    const found = Array.from({ length: this.ranks }, (): number[] => []);
    for (let first = 0; first < numbers.length; first += SLOT) {
      const part = numbers.slice(first, first + SLOT);
      this.#numbers.set(part, SLOT * this.rank);
      this.meet();
      found.forEach((all, rank) =>
        all.push(...this.#numbers.subarray(SLOT * rank, SLOT * rank + part.length))
      );
      this.meet();
    }
    return found;
  }

  /** Whether it is so on one rank at least. */
  any(isSo: boolean): boolean {
    return this.gather([isSo ? 1 : 0]).some(([number]) => number !== 0);
  }

  /** Does what may fail on one rank alone: then it has failed on all, there with RankLeft. */
  async together<T>(action: () => Promise<T>): Promise<T> {
    const outcome = await Promise.allSettled([action()]);
    const failed = this.any(outcome[0].status === "rejected");
    if (outcome[0].status === "rejected") throw outcome[0].reason;
    if (failed) throw new RankLeft("Another rank has failed");
    return outcome[0].value;
  }

  /** Gives `bytes` of rank `from` to all: there they are read, elsewhere overwritten. */
  share(from: number, bytes: Uint8Array): void {
    if (this.ranks === 1) return;
    for (let first = 0; first < bytes.length; first += PIECE_BYTES) {
      const part = bytes.subarray(first, first + PIECE_BYTES);
      if (this.rank === from) this.#bytes.set(part);
      this.meet();
      if (this.rank !== from) part.set(this.#bytes.subarray(0, part.length));
      this.meet();
    }
  }

  /** The text that rank `from` gives. */
  shareText(from: number, text: () => string): string {
    if (this.ranks === 1) return text();
    if (this.rank === from) {
      const bytes = new TextEncoder().encode(text());
      if (bytes.length > PIECE_BYTES) {
        throw new InternalError(`a text of ${bytes.length} bytes between ranks`);
      }
      this.#bytes.set(bytes);
      this.#control[LENGTH] = bytes.length;
    }
    this.meet();
    const found = new TextDecoder().decode(this.#bytes.slice(0, this.#control[LENGTH]));
    this.meet();
    return found;
  }
}
