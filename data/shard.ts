// The shard file, llm.c's format: 256 little-endian int32 of header (20240520, version 1, token count, zeros), then that
// many little-endian uint16 tokens. Opening checks everything that the header and the size can tell; reading goes
// straight into the caller's buffer. Refuses to repair or to guess. Assumes a little-endian machine, as the kernels do.
// Imports only lib/base and @std/path.

import { createHash } from "node:crypto";
import { basename, dirname, join } from "@std/path";
import { InternalError, messageOf, RunError, UserError } from "../lib/base/errors.ts";

export const SHARD_MAGIC = 20240520;
export const SHARD_VERSION = 1;
const HEADER_WORDS = 256;
export const HEADER_BYTES = 4 * HEADER_WORDS;
const TOKEN_BYTES = 2;
/** 64 KB of tokens at either end of a shard tell it from another. */
const FINGERPRINT_TOKENS = (64 << 10) / TOKEN_BYTES;

/** The header of a shard of `count` tokens: no other is opened. */
export function encodeHeader(count: number): Uint8Array {
  const words = new Int32Array(HEADER_WORDS);
  words.set([SHARD_MAGIC, SHARD_VERSION, count]);
  return new Uint8Array(words.buffer);
}

/** Why a file could not be opened or read, as one clear message; `what` is "shard" or the like. */
export function openProblem(what: string, path: string, error: unknown): UserError {
  const cannot = `Cannot read the ${what} ${path}`;
  if (error instanceof Deno.errors.NotFound) {
    return new UserError(
      `${cannot}: it does not exist; check the path, which is relative to the current folder`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new UserError(`${cannot}: permission denied; make it readable for this user`);
  }
  return new UserError(`${cannot}: ${messageOf(error)}`);
}

/** The token count of a header, or a UserError. `size` is the whole file's, in bytes. */
function checkHeader(path: string, words: Int32Array, size: number): number {
  const [magic = 0, version = 0, count = 0] = words;
  if (magic !== SHARD_MAGIC) {
    throw new UserError(
      `${path} is not a token shard: expected ${SHARD_MAGIC} as its first number, found ${magic}; ` +
        "make shards with `nanogpt data tokenize`",
    );
  }
  if (version !== SHARD_VERSION) {
    throw new UserError(
      `Shard ${path} has version ${version}, expected ${SHARD_VERSION} (uint16 tokens); make it again with ` +
        "`nanogpt data tokenize`",
    );
  }
  const stray = words.findIndex((word, i) => i > 2 && word !== 0);
  if (count < 0 || stray > 0) {
    const found = count < 0 ? `a token count of ${count}` : `${words[stray]} in number ${stray}, expected 0`;
    throw new UserError(`Shard ${path} has a damaged header: found ${found}; fetch or make the file again`);
  }
  const body = size - HEADER_BYTES;
  if (body === count * TOKEN_BYTES) return count;
  const found = Math.floor(body / TOKEN_BYTES);
  const states = `its header states ${count} tokens, the file holds ${found}`;
  if (body % TOKEN_BYTES !== 0) {
    throw new UserError(
      `Shard ${path} is cut in the middle of a token: ${states} and one byte; fetch or make the file again`,
    );
  }
  const which = found < count ? "fewer tokens than stated (cut short?)" : "more tokens than stated";
  throw new UserError(`Shard ${path} holds ${which}: ${states}; fetch or make the file again`);
}

/** An open shard: `count` tokens that are read by range. */
export class ShardReader {
  readonly path: string;
  readonly count: number;
  #file: Deno.FsFile;

  constructor(path: string, count: number, file: Deno.FsFile) {
    this.path = path;
    this.count = count;
    this.#file = file;
  }

  /**
   * Fills `into` with the tokens from `position` on. The read is under way when this returns its promise; one at a
   * time. RunError when the disk fails, UserError when the file was shortened since it was opened.
   */
  async read(position: number, into: Uint16Array): Promise<void> {
    if (!(position >= 0 && position + into.length <= this.count)) {
      throw new InternalError(
        `read of ${into.length} tokens at ${position} in ${this.path} of ${this.count} tokens`,
      );
    }
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    let done = 0;
    try {
      this.#file.seekSync(HEADER_BYTES + position * TOKEN_BYTES, Deno.SeekMode.Start);
      while (done < bytes.length) {
        const got = await this.#file.read(bytes.subarray(done));
        if (got === null) break;
        done += got;
      }
    } catch (error) {
      throw new RunError(`Reading the shard ${this.path} failed at token ${position}: ${messageOf(error)}`);
    }
    if (done < bytes.length) {
      const found = position + Math.floor(done / TOKEN_BYTES);
      throw new UserError(
        `Shard ${this.path} ended after ${found} tokens, it had ${this.count} when it was opened; do not change ` +
          "shards during a run",
      );
    }
  }

  /**
   * SHA-256 (hex) over the header and the first and last 64 KB of tokens: cheap, and enough to tell one shard from
   * another; a change in the middle alone does not show. Errors as `read`.
   */
  async fingerprint(): Promise<string> {
    const hash = createHash("sha256").update(encodeHeader(this.count));
    const tokens = new Uint16Array(Math.min(this.count, FINGERPRINT_TOKENS));
    for (const position of [0, this.count - tokens.length]) {
      await this.read(position, tokens);
      hash.update(tokens);
    }
    return hash.digest("hex");
  }

  close(): void {
    this.#file.close();
  }
}

/** Opens a shard after checking header and size; every fault of the file is a UserError that names it. */
export async function openShard(path: string): Promise<ShardReader> {
  let file: Deno.FsFile;
  let size: number;
  try {
    const info = await Deno.stat(path); // before opening: opening a pipe would wait for its other end
    if (info.isDirectory) {
      throw new UserError(
        `Cannot read the shard ${path}: it is a folder; name the files in it, as in ${path}/*.bin`,
      );
    }
    if (!info.isFile) throw new UserError(`Cannot read the shard ${path}: it is not a regular file`);
    file = await Deno.open(path, { read: true });
    size = (await file.stat()).size;
  } catch (error) {
    throw error instanceof UserError ? error : openProblem("shard", path, error);
  }
  try {
    if (size < HEADER_BYTES) {
      const found = size === 0 ? "it is empty" : `it has ${size} bytes`;
      throw new UserError(
        `${path} is not a token shard: ${found}, expected a header of ${HEADER_BYTES} bytes; make shards with ` +
          "`nanogpt data tokenize`",
      );
    }
    const words = new Int32Array(HEADER_WORDS);
    const bytes = new Uint8Array(words.buffer);
    for (let done = 0; done < bytes.length;) {
      const got = await file.read(bytes.subarray(done));
      if (got === null) throw new UserError(`Shard ${path} became shorter while it was opened`);
      done += got;
    }
    return new ShardReader(path, checkHeader(path, words, size), file);
  } catch (error) {
    file.close();
    throw error instanceof UserError ? error : openProblem("shard", path, error);
  }
}

/** Throws a UserError at the first token at or above `vocab`; `position` is where `tokens` starts in the shard. */
export function checkTokens(tokens: Uint16Array, position: number, path: string, vocab: number): void {
  let highest = 0;
  for (let i = 0; i < tokens.length; i++) { // by index: iterating a typed array takes ten times as long
    const token = tokens[i] ?? 0;
    if (token > highest) highest = token;
  }
  if (highest < vocab) return;
  const at = tokens.findIndex((token) => token >= vocab);
  throw new UserError(
    `Shard ${path} does not fit the model: token ${tokens[at]} at position ${position + at}, but ` +
      `model.vocab is ${vocab}; raise model.vocab or use shards made with another vocabulary`,
  );
}

/**
 * Writes a shard beside its place under a hidden temporary name, so that no reader and no glob sees half a file.
 * `seal` completes the file, `publish` gives it its name, `discard` removes it. A full disk is a RunError.
 */
export class ShardWriter {
  readonly path: string;
  readonly temporary: string;
  #file: Deno.FsFile | undefined;
  #count = 0;

  constructor(path: string, temporary: string, file: Deno.FsFile) {
    this.path = path;
    this.temporary = temporary;
    this.#file = file;
  }

  /** Starts a shard that will be `path`; its folder must exist. UserError where it is not writable. */
  static async create(path: string): Promise<ShardWriter> {
    const temporary = join(
      dirname(path),
      `.${basename(path)}.${Deno.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`,
    );
    try {
      const file = await Deno.open(temporary, { write: true, createNew: true });
      const writer = new ShardWriter(path, temporary, file);
      await writer.#write(encodeHeader(0));
      return writer;
    } catch (error) {
      if (error instanceof RunError) throw error;
      throw new UserError(`Cannot write into the folder ${dirname(path)}: ${messageOf(error)}`);
    }
  }

  /** Tokens written so far. */
  get count(): number {
    return this.#count;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new InternalError(`write to the sealed shard ${this.path}`);
    try {
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    } catch (error) {
      await this.discard();
      throw new RunError(
        `Writing the shard ${this.path} failed: ${messageOf(error)}; nothing was left there, free some ` +
          "space and run again",
      );
    }
  }

  /** Appends tokens. */
  async write(tokens: Uint16Array): Promise<void> {
    await this.#write(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    this.#count += tokens.length;
  }

  /** Writes the header's token count and everything to the disk, and closes the file. */
  async seal(): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new InternalError(`second seal of the shard ${this.path}`);
    await file.seek(0, Deno.SeekMode.Start);
    await this.#write(encodeHeader(this.#count));
    try {
      await file.sync();
    } catch (error) {
      await this.discard();
      throw new RunError(`Writing the shard ${this.path} failed: ${messageOf(error)}`);
    }
    file.close();
    this.#file = undefined;
  }

  /** Gives the sealed file its name, replacing what was there. */
  async publish(): Promise<void> {
    if (this.#file !== undefined) throw new InternalError(`publishing the unsealed shard ${this.path}`);
    try {
      await Deno.rename(this.temporary, this.path);
    } catch (error) {
      throw new RunError(`Renaming ${this.temporary} to ${this.path} failed: ${messageOf(error)}`);
    }
  }

  /** Closes and removes the temporary file; harmless after `publish`. */
  async discard(): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    await Deno.remove(this.temporary).catch(() => undefined);
  }
}
