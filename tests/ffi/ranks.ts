// Ranks for tests of collectives: workers of this process, each with its own device, that do the same at the same time. Every
// answer is waited for only so long. For tests only.

import { join } from "@std/path";
import { InternalError } from "../../lib/base/errors.ts";
import { at } from "../../lib/graph/node.ts";
import { ROOT } from "../cli/command.ts";
import type { RankCall, RankDevice, RankReply, RankRequest } from "./rank_worker.ts";

/** Longer than any answer takes on a busy machine: a rank that waits for one that never comes does not answer. */
const PATIENCE_MS = 60000;

const libraryOf = (name: string) => join(ROOT, "build", `libnanogpt_${name}.so`);

export const cpuRank = (threads: number, library = libraryOf("cpu")): RankDevice => ({
  kind: "cpu",
  library,
  threads,
});
export const emulatedRank = (checked: boolean, seed: number): RankDevice => ({
  kind: "emulated",
  library: libraryOf(checked ? "emulated_checked" : "emulated"),
  seed,
});

/** What each rank answered: its text where it refused, else what it has. */
export type Answers = readonly RankReply[];

/** Workers with a device each, to be ended with `using`. */
export class Ranks {
  readonly #workers: readonly Worker[];

  private constructor(count: number) {
    const url = new URL("./rank_worker.ts", import.meta.url);
    this.#workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
  }

  get size(): number {
    return this.#workers.length;
  }

  /** As many workers, each with the device of its rank, in no group. */
  static async open(devices: readonly RankDevice[]): Promise<Ranks> {
    const ranks = new Ranks(devices.length);
    await ranks.reopen(devices);
    return ranks;
  }

  /** The same workers with new devices. */
  async reopen(devices: readonly RankDevice[]): Promise<void> {
    const answers = await this.#all((rank) => ({ kind: "open", device: at(devices, rank), ordinal: rank }));
    for (const { error } of answers) if (error !== undefined) throw new InternalError(error);
  }

  /** A group's id, made by rank 0. */
  async id(ranks = this.#workers.length): Promise<RankReply> {
    return await this.#ask(0, { kind: "makeId", ranks });
  }

  /** All join the group of an id that rank 0 makes. */
  async join(): Promise<void> {
    const { id, error } = await this.id();
    if (id === undefined) throw new InternalError(error ?? "no id");
    const ranks = this.#workers.length;
    const answers = await this.#all((rank) => ({ kind: "join", id, rank, ranks }));
    for (const { error } of answers) if (error !== undefined) throw new InternalError(error);
  }

  /** One rank joins a group. */
  joinOne(worker: number, id: Uint8Array<ArrayBuffer>, rank: number, ranks: number): Promise<RankReply> {
    return this.#ask(worker, { kind: "join", id, rank, ranks });
  }

  /** Each rank's call, at the same time. */
  call(calls: readonly RankCall[]): Promise<Answers> {
    return this.#all((rank) => ({ kind: "call", call: at(calls, rank) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#all(() => ({ kind: "end" }));
  }

  #all(request: (rank: number) => RankRequest): Promise<Answers> {
    return Promise.all(this.#workers.map((_, rank) => this.#ask(rank, request(rank))));
  }

  #ask(rank: number, request: RankRequest): Promise<RankReply> {
    const worker = at(this.#workers, rank);
    const { promise, resolve, reject } = Promise.withResolvers<RankReply>();
    const timer = setTimeout(
      () => reject(new InternalError(`rank ${rank} does not answer ${JSON.stringify(request.kind)}`)),
      PATIENCE_MS,
    );
    worker.onmessage = ({ data }: MessageEvent<RankReply>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new InternalError(`rank ${rank}: ${event.message}`));
    };
    worker.postMessage(request);
    return promise.finally(() => clearTimeout(timer));
  }
}
