// What the tokenize workers are given: documents as bytes, about a megabyte at a time, cut out of text files, lines of
// JSON, Parquet rows and their compressed forms in order. The bytes are not looked into beyond finding the cuts; that is
// the workers' part (encode_batch.ts). Refuses kinds of files that are not known. Imports only lib/base, @std/path and
// this folder.

import { extname } from "@std/path";
import { UserError } from "../lib/base/errors.ts";
import { type Compression, decompress } from "./compressed.ts";
import {
  type ByteSource,
  characterCut,
  countLines,
  decodeText,
  lineCut,
  openText,
  readBlocks,
  withoutMark,
} from "./text_files.ts";
import { SplitChoice } from "./split_choice.ts";
import { lastCut } from "./tokenizer.ts";

/** Documents, or a part of one. `bytes` has a buffer of its own, which goes to the worker. */
export type Batch =
  /** Whole lines, each an object with the text in `field`. */
  | (BatchPlace & { readonly kind: "lines"; readonly field: string; readonly firstLine: number })
  /** Texts of `lengths` bytes, end to end. */
  | (BatchPlace & { readonly kind: "rows"; readonly lengths: readonly number[]; readonly firstRow: number })
  /** A part of one document: `last` ends it; `isVal` says for which split it is, once that is known. */
  | (BatchPlace & {
    readonly kind: "piece";
    readonly firstLine: number;
    readonly last: boolean;
    readonly isVal: boolean | undefined;
  });

export type BatchOf<K extends Batch["kind"]> = Extract<Batch, { kind: K }>;

interface BatchPlace {
  /** What messages call the source. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where `bytes` begins in the source, decompressed. */
  readonly offset: number;
  /** Bytes of all sources as they lie on the disk, read up to the end of this batch; rows: about. */
  readonly bytesRead: number;
}

/** How a source holds its documents. */
export interface SourceKind {
  readonly format: "txt" | "jsonl" | "parquet";
  readonly compression: Compression | undefined;
}

/** A source of documents. */
export interface DocumentSource {
  readonly name: string;
  readonly kind: SourceKind;
  /** Undefined for a file, which `name` is the path of. */
  readonly stream: ByteSource | undefined;
  /** Bytes on the disk; 0 for a stream. */
  readonly bytes: number;
}

export interface BatchOptions {
  /** Field of a line's object, or column, with the text. */
  readonly field: string;
  /** Share of the documents for validation. */
  readonly valFraction: number;
}

const ROWS_BYTES = 1 << 20;
/** Where the last cut of a text is looked for. */
const TAIL_BYTES = 1 << 16;

const NAMES =
  "a name that ends in .txt (one document a file), .jsonl (one object a line) or .parquet; .txt and " +
  ".jsonl also with .gz or .zst behind it";

/** The kind of a file by its name; UserError for one that is not known. */
export function kindOf(name: string): SourceKind {
  const outer = extname(name).toLowerCase();
  const compression = outer === ".gz" ? "gz" : outer === ".zst" ? "zst" : undefined;
  const extension = compression === undefined ? outer : extname(name.slice(0, -outer.length)).toLowerCase();
  if (extension === ".txt") return { format: "txt", compression };
  if (extension === ".jsonl") return { format: "jsonl", compression };
  if (extension === ".parquet" && compression === undefined) return { format: "parquet", compression };
  throw new UserError(`Cannot tokenize ${name}: expected ${NAMES}`);
}

/** The documents of all sources in order. */
export async function* readBatches(
  sources: readonly DocumentSource[],
  options: BatchOptions,
): AsyncGenerator<Batch, void, void> {
  let before = 0;
  for (const source of sources) {
    if (source.kind.format === "parquet") yield* readRows(source, options, before);
    else if (source.stream !== undefined) yield* readStream(source, source.stream, options, before);
    else {
      using file = await openText(source.name);
      yield* readStream(source, file, options, before);
    }
    before += source.bytes;
  }
}

async function* readStream(
  { name, kind }: DocumentSource,
  raw: ByteSource,
  options: BatchOptions,
  before: number,
): AsyncGenerator<Batch, void, void> {
  const counted = new CountedSource(raw, before);
  const source = kind.compression ? decompress(counted, kind.compression, name) : counted;
  yield* kind.format === "txt"
    ? readPieces(source, name, options, counted)
    : readLines(source, name, options, counted);
}

/** A source that counts what was read of it. */
class CountedSource implements ByteSource {
  bytesRead: number;
  readonly #source: ByteSource;

  constructor(source: ByteSource, before: number) {
    this.#source = source;
    this.bytesRead = before;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const got = await this.#source.read(into);
    this.bytesRead += got ?? 0;
    return got;
  }
}

/** The last place in whole characters where the text may be cut; 0 where there is none. */
function wordCut(bytes: Uint8Array): number {
  const end = characterCut(bytes);
  let start = Math.max(0, end - TAIL_BYTES);
  while (start < end && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  const text = decodeText(bytes.subarray(start, end));
  if (text === undefined) return end; // the worker tells what is wrong
  const cut = lastCut(text);
  return cut === 0 ? 0 : end - new TextEncoder().encode(text.slice(cut)).length;
}

async function* readPieces(
  source: ByteSource,
  name: string,
  { valFraction }: BatchOptions,
  counted: CountedSource,
): AsyncGenerator<Batch, void, void> {
  const choice = new SplitChoice(valFraction);
  const empty = { bytes: new Uint8Array(0), offset: 0, bytesRead: counted.bytesRead, firstLine: 1 };
  let line = 1;
  let piece: Omit<BatchOf<"piece">, "last"> | undefined; // waits until it is known whether it is the last
  for await (const { bytes, offset } of readBlocks(source, name, wordCut)) {
    if (piece !== undefined) yield { ...piece, last: false };
    const text = (offset === 0 ? withoutMark(bytes) : bytes).slice();
    piece = {
      kind: "piece",
      name,
      bytes: text,
      offset: offset + bytes.length - text.length,
      bytesRead: counted.bytesRead,
      firstLine: line,
      isVal: choice.add(text),
    };
    line += countLines(bytes);
  }
  yield { kind: "piece", name, ...(piece ?? empty), last: true, isVal: choice.end() };
}

async function* readLines(
  source: ByteSource,
  name: string,
  { field }: BatchOptions,
  counted: CountedSource,
): AsyncGenerator<Batch, void, void> {
  let firstLine = 1;
  for await (const { bytes, offset } of readBlocks(source, name, lineCut)) {
    const text = (offset === 0 ? withoutMark(bytes) : bytes).slice();
    const start = offset + bytes.length - text.length;
    yield { kind: "lines", name, field, bytes: text, offset: start, bytesRead: counted.bytesRead, firstLine };
    firstLine += countLines(bytes);
  }
}

async function* readRows(
  { name, bytes: size }: DocumentSource,
  { field }: BatchOptions,
  before: number,
): AsyncGenerator<Batch, void, void> {
  const { readColumn } = await import("./parquet.ts"); // a large package: loaded where it is needed
  for await (const { firstRow, cells, rows } of readColumn(name, field)) {
    for (let first = 0; first < cells.length;) {
      const lengths: number[] = [];
      let count = 0;
      for (let i = first; i < cells.length && count < ROWS_BYTES; i++) {
        const length = cells[i]?.length ?? 0;
        lengths.push(length);
        count += length;
      }
      const bytes = new Uint8Array(count);
      for (let i = 0, at = 0; i < lengths.length; at += lengths[i++] ?? 0) {
        bytes.set(cells[first + i] ?? [], at);
      }
      const row = firstRow + first;
      first += lengths.length;
      const bytesRead = before + Math.floor(size * (row - 1 + lengths.length) / rows);
      yield { kind: "rows", name, lengths, firstRow: row, bytes, offset: 0, bytesRead };
    }
  }
}
