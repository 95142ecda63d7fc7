// Shards written byte by byte, independently of data/shard.ts, and a folder per test. Imports only @std.

import { join } from "@std/path";

/** Runs `body` with a folder of its own, removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "data-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export interface HeaderFields {
  magic?: number;
  version?: number;
  count?: number;
}

/** The bytes of a shard; the header may be made wrong. */
export function shardBytes(tokens: number[], header: HeaderFields = {}): Uint8Array {
  const { magic = 20240520, version = 1, count = tokens.length } = header;
  const bytes = new Uint8Array(1024 + 2 * tokens.length);
  const view = new DataView(bytes.buffer);
  [magic, version, count].forEach((word, i) => view.setInt32(4 * i, word, true));
  tokens.forEach((token, i) => view.setUint16(1024 + 2 * i, token, true));
  return bytes;
}

/** Writes a shard and returns its path. */
export async function putShard(
  folder: string,
  name: string,
  tokens: number[],
  header?: HeaderFields,
): Promise<string> {
  const path = join(folder, name);
  await Deno.writeFile(path, shardBytes(tokens, header));
  return path;
}

/** The tokens of a shard file, read independently of data/shard.ts. */
export async function takeTokens(path: string): Promise<number[]> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: view.getInt32(8, true) }, (_, i) => view.getUint16(1024 + 2 * i, true));
}

/** `count` numbers from `first` on. */
export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Starts worker.ts, as main.ts does. */
export function startWorker(): Worker {
  return new Worker(new URL("../../worker.ts", import.meta.url), { type: "module" });
}

/** Whole numbers below `limit`, the same for the same seed (mulberry32). */
export function randomBelow(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * limit);
  };
}

/** Lets everything that was read ahead arrive. */
export function settle(): Promise<void> {
  return new Promise((done) => setTimeout(done, 20));
}
