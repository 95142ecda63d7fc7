// The shards that data.train and data.val mean: a pattern's files, or the built-in corpus, which must have been made
// before. Opens no shard and makes none; refuses a pattern without files. What is in the shards is for the loader to
// judge. May import data/ and lib/base.

import { builtinPaths } from "../../data/corpus.ts";
import { expandGlob } from "../../data/glob.ts";
import type { Assets } from "../base/assets.ts";
import { UserError } from "../base/errors.ts";

/** Paths of the shards of a config value: a glob, or builtin:train / builtin:val. `key` names it in errors. */
export async function shardsOf(value: string, key: string, assets: Assets): Promise<string[]> {
  const { train, val } = builtinPaths(assets.corpus);
  switch (value) {
    case "builtin:train":
      return [await present(train, value)];
    case "builtin:val":
      return [await present(val, value)];
    default:
      if (!value.startsWith("builtin:")) return await expandGlob(value, key);
      throw new UserError(`${key} is "${value}"; the built-in corpora are builtin:train and builtin:val`);
  }
}

async function present(path: string, name: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch {
    throw new UserError(`${name} is not there yet (${path}); make it with: nanogpt data sample`);
  }
}
