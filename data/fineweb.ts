// The GPT-2 tokens of FineWeb10B as the hub's dataset kjj0/fineweb10B-gpt2 keeps them: which files there are, in which
// order they are wanted, and what makes one of them good. Downloads nothing itself.
// Imports lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import type { Origin, Source } from "./hub.ts";
import { openShard } from "./shard.ts";

/** The dataset on the hub. */
export const FINEWEB_REPO = "kjj0/fineweb10B-gpt2";
/** Where the presets look for the shards, from the current folder. */
export const FINEWEB_FOLDER = "data/fineweb10B";
/** Training shards of the record: 1,875 steps of 524,288 tokens take 983 million, and a shard holds 100 million. */
export const FINEWEB_DEFAULT_SHARDS = 10;
/** Training shards that there are. */
const FINEWEB_SHARDS = 103;

/**
 * The validation shard and the first `shards` training shards, the validation shard first: with it and one training
 * shard a run may start. UserError for a number of shards that there are not.
 */
export function finewebSources(shards: number, origin: Origin): Source[] {
  if (!(Number.isSafeInteger(shards) && shards >= 1 && shards <= FINEWEB_SHARDS)) {
    throw new UserError(
      `FineWeb10B has ${FINEWEB_SHARDS} training shards: expected a whole number from 1 to ${FINEWEB_SHARDS}, found ` +
        `${shards}`,
    );
  }
  const train = Array.from({ length: shards }, (_, i) => nameOf("train", i + 1));
  return [nameOf("val", 0), ...train].map((name) => ({ name, url: origin.urlOf(name) }));
}

function nameOf(split: "train" | "val", index: number): string {
  return `fineweb_${split}_${String(index).padStart(6, "0")}.bin`;
}

/** UserError where the file is no whole shard. */
export async function checkShard(path: string): Promise<void> {
  (await openShard(path)).close();
}
