// The bytes of text files, in blocks that never hold more of a file than it takes to find a place to cut, and their
// decoding: text, and lines that are JSON objects. Refuses invalid UTF-8 and JSON with the place, and endless runs
// without a cut. Knows no tokens and no shards. Imports only lib/base and this folder.

import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { openProblem } from "./shard.ts";

/** Something to read bytes from: an open file, standard input, or what is decompressed out of one of them. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

/** A run of bytes from `offset` of a source on. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** Bytes of a block, where cuts allow. */
const BLOCK_BYTES = 1 << 20;
/** Bytes of a line or of a run of text without a cut: half of what fits in a string of JavaScript's. */
export const MOST_UNCUT_BYTES = 1 << 28;
const NEWLINE = 10;

/** Bytes of a file that can be read; UserError where it is missing or something else. */
export async function sizeOfText(path: string): Promise<number> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    throw openProblem("text file", path, error);
  }
  if (info.isDirectory) {
    throw new UserError(`Cannot read the text file ${path}: it is a folder; name the files in it`);
  }
  return info.size;
}

/** Opens a text file; UserError where it is missing, unreadable or a folder. */
export async function openText(path: string): Promise<Deno.FsFile> {
  await sizeOfText(path);
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    throw openProblem("text file", path, error);
  }
}

/**
 * The whole source in blocks that end where `cutOf` says (0: nowhere yet); the last block ends with the source. A
 * block's bytes are the caller's until the next is asked for. UserError where MOST_UNCUT_BYTES have no cut.
 */
export async function* readBlocks(
  source: ByteSource,
  name: string,
  cutOf: (bytes: Uint8Array) => number,
): AsyncGenerator<Block, void, void> {
  let buffer = new Uint8Array(BLOCK_BYTES);
  let held = 0;
  let offset = 0;
  for (let ended = false; !ended;) {
    while (held < buffer.length && !ended) {
      const got = await readSome(source, name, buffer.subarray(held), offset + held);
      if (got === null) ended = true;
      else held += got;
    }
    const cut = ended ? held : cutOf(buffer);
    if (cut > 0) yield { bytes: buffer.subarray(0, cut), offset };
    if (cut === 0 && buffer.length >= MOST_UNCUT_BYTES) {
      throw new UserError(
        `${name} goes on for ${held} bytes from byte ${offset} on without an end of line or word; at most ` +
          `${MOST_UNCUT_BYTES} can be read at once`,
      );
    }
    const rest = buffer.subarray(cut, held);
    // Twice as large where nothing could be cut; of the usual size again once that is enough.
    const size = cut === 0 ? 2 * buffer.length : rest.length < BLOCK_BYTES ? BLOCK_BYTES : buffer.length;
    if (size !== buffer.length) buffer = new Uint8Array(size);
    buffer.set(rest);
    held = rest.length;
    offset += cut;
  }
}

/** Reads once, from byte `at` of the source; null at its end. RunError when the disk fails. */
export async function readSome(
  source: ByteSource,
  name: string,
  into: Uint8Array,
  at: number,
): Promise<number | null> {
  try {
    return await source.read(into);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new RunError(`Reading ${name} failed at byte ${at}: ${messageOf(error)}`);
  }
}

/** Cuts blocks after their last line. */
export function lineCut(bytes: Uint8Array): number {
  return bytes.lastIndexOf(NEWLINE) + 1;
}

/** The line feeds in `bytes`. */
export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** `bytes` without a byte order mark at their start. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** The end of the last character that is surely whole: a last one of several bytes waits for what follows. */
export function characterCut(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) return bytes.length - back;
    if (byte < 0x80) return bytes.length - back + 1;
  }
  return bytes.length; // four bytes that continue nothing: decoding tells
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of bytes in UTF-8; undefined where they are not. A byte order mark is text like any other. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The number of bytes at the start that are valid UTF-8 or the beginning of it. */
export function validPrefix(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      low = middle;
    } catch {
      high = middle - 1;
    }
  }
  return low;
}

/** The text of a block at `place`; UserError naming the byte of the source that is not UTF-8. */
export function decodeBlock({ bytes, offset }: Block, place: string): string {
  const text = decodeText(bytes);
  if (text !== undefined) return text;
  throw new UserError(
    `${place} is not valid UTF-8 at byte ${offset + validPrefix(bytes)}; convert it to UTF-8`,
  );
}

/** The object on one line of a .jsonl file; `having` says in a UserError what it must have, such as `a field "text"`. */
export function parseObject(line: string, place: string, having: string): object {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UserError(`${place} is not valid JSON: ${messageOf(error)}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new UserError(`${place} must be an object with ${having}`);
}

/** The string in `field` of an object on a line. */
export function parseField(line: string, field: string, place: string): string {
  const object = parseObject(line, place, `a field "${field}"`);
  const text: unknown = Object.hasOwn(object, field) ? Reflect.get(object, field) : undefined;
  if (typeof text === "string") return text;
  const found = text === undefined
    ? "it has none"
    : `it is ${text === null ? "null" : `of type ${typeof text}`}`;
  throw new UserError(`${place} must have a field "${field}" that is a string; ${found}`);
}
