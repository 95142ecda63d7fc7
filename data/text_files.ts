// Documents out of text files, as a stream of pieces that never holds more than one block of a file: .txt (one document
// a file) and .jsonl (one object a line, its field `text`). Refuses invalid UTF-8, invalid JSON and unknown kinds, with
// the place. Imports only lib/base, @std/path and this folder.

import { extname } from "@std/path";
import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { openProblem } from "./shard.ts";

/** Something to read bytes from: an open file or standard input. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

export type TextFormat = "txt" | "jsonl";

/** A piece of a document's text; `last` ends the document. Pieces are cut between characters, not between words. */
export interface TextPiece {
  text: string;
  last: boolean;
}

const READ_BYTES = 1 << 20;
const NEWLINE = 10;

/** A run of bytes from `offset` of a file on. */
interface Block {
  bytes: Uint8Array;
  offset: number;
}

/** The kind of a file by its name; UserError for one that is not known. */
export function formatOf(path: string): TextFormat {
  const extension = extname(path).toLowerCase();
  if (extension === ".txt") return "txt";
  if (extension === ".jsonl") return "jsonl";
  throw new UserError(
    `Cannot tokenize ${path}: expected a name that ends in .txt (one document a file) or .jsonl (one object a line, ` +
      `with a field "text")`,
  );
}

/** The whole source in blocks that end where `cutOf` says; the last block ends with the source. */
async function* readBlocks(
  source: ByteSource,
  name: string,
  cutOf: (bytes: Uint8Array) => number,
): AsyncGenerator<Block, void, void> {
  let buffer = new Uint8Array(READ_BYTES);
  let held = 0;
  let offset = 0;
  while (true) {
    if (held === buffer.length) {
      const larger = new Uint8Array(2 * buffer.length);
      larger.set(buffer);
      buffer = larger;
    }
    let got: number | null;
    try {
      got = await source.read(buffer.subarray(held));
    } catch (error) {
      throw new RunError(`Reading ${name} failed at byte ${offset + held}: ${messageOf(error)}`);
    }
    if (got === null) break;
    held += got;
    const cut = cutOf(buffer.subarray(0, held));
    if (cut === 0) continue;
    yield { bytes: buffer.subarray(0, cut), offset };
    buffer.copyWithin(0, cut, held);
    held -= cut;
    offset += cut;
  }
  if (held > 0) yield { bytes: buffer.subarray(0, held), offset };
}

/** The end of the last character that is surely whole: a last one of several bytes waits for what follows. */
function characterCut(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) return bytes.length - back;
    if (byte < 0x80) return bytes.length - back + 1;
  }
  return bytes.length; // four bytes that continue nothing: decoding tells
}

/** The number of bytes at the start that are valid UTF-8 or the beginning of it. */
function validPrefix(bytes: Uint8Array): number {
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

/** The text of a block; a byte order mark at the start of a file is not part of it. UserError naming the byte. */
function decodeBlock({ bytes, offset }: Block, place: string): string {
  const marked = offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const body = marked ? bytes.subarray(3) : bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    const at = offset + (bytes.length - body.length) + validPrefix(body);
    throw new UserError(`${place} is not valid UTF-8 at byte ${at}; convert it to UTF-8`);
  }
}

/** The field `text` of one line of a .jsonl file. */
function parseLine(line: string, place: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UserError(`${place} is not valid JSON: ${messageOf(error)}`);
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) throw new UserError(`${place} must be an object with a field "text"`);
  const text: unknown = Reflect.get(Object(value), "text");
  if (typeof text === "string") return text;
  const found = text === undefined
    ? "it has none"
    : `it is ${text === null ? "null" : `of type ${typeof text}`}`;
  throw new UserError(`${place} must have a field "text" that is a string; ${found}`);
}

async function* readText(source: ByteSource, name: string): AsyncGenerator<TextPiece, void, void> {
  for await (const block of readBlocks(source, name, characterCut)) {
    yield { text: decodeBlock(block, name), last: false };
  }
  yield { text: "", last: true };
}

async function* readLines(source: ByteSource, name: string): AsyncGenerator<TextPiece, void, void> {
  let number = 0;
  for await (const { bytes, offset } of readBlocks(source, name, (b) => b.lastIndexOf(NEWLINE) + 1)) {
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      number++;
      const place = `${name} line ${number}`;
      const line = decodeBlock({ bytes: bytes.subarray(start, end), offset: offset + start }, place);
      if (line.trim() !== "") yield { text: parseLine(line, place), last: true };
      start = end + 1;
    }
  }
}

/** The documents of an open source, in pieces; blank lines of a .jsonl file are no documents. */
export function readDocuments(
  source: ByteSource,
  name: string,
  format: TextFormat,
): AsyncGenerator<TextPiece, void, void> {
  return format === "txt" ? readText(source, name) : readLines(source, name);
}

/** Opens a text file; UserError where it is missing, unreadable or a folder. */
export async function openText(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) {
      throw new UserError(`Cannot read the text file ${path}: it is a folder; name the files in it`);
    }
    return await Deno.open(path, { read: true });
  } catch (error) {
    throw error instanceof UserError ? error : openProblem("text file", path, error);
  }
}
