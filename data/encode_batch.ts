// What a tokenize worker does: the documents of one batch, decoded, sorted into training and validation by the hash of
// their text, and encoded. Bad input is a UserError with file and line or row. Keeps nothing from one batch to the next
// but the tokenizer's tables, so that it does not matter which worker gets which. Imports only lib/base and this folder.

import { messageOf, type ThrownError, UserError } from "../lib/base/errors.ts";
import type { Batch, BatchOf } from "./batches.ts";
import { isForValidation } from "./split_choice.ts";
import {
  countLines,
  decodeBlock,
  decodeText,
  MOST_UNCUT_BYTES,
  parseField,
  validPrefix,
} from "./text_files.ts";
import { encodeInto, EOS, TokenBuffer } from "./tokenizer.ts";

/** The documents of one split: each is eos and its tokens. */
export interface EncodedSplit {
  readonly documents: number;
  readonly tokens: Uint16Array<ArrayBuffer>;
}

/** A batch as tokens. */
export type Encoded =
  | {
    readonly kind: "documents";
    readonly train: EncodedSplit;
    readonly val: EncodedSplit;
    /** Documents without any text, left out. */
    readonly empty: number;
  }
  /** A part of a document, without eos; `blank` where it is white space or nothing. */
  | { readonly kind: "piece"; readonly tokens: Uint16Array<ArrayBuffer>; readonly blank: boolean };

/** The buffers of the tokens, which go to another thread without a copy. */
export function buffersOf(encoded: Encoded): ArrayBuffer[] {
  if (encoded.kind === "piece") return [encoded.tokens.buffer];
  return [encoded.train.tokens.buffer, encoded.val.tokens.buffer];
}

/** What a worker is asked, one message a batch; it answers each with an EncodeReply. */
export interface EncodeRequest {
  /** Tells it from the other work of worker.ts. */
  readonly kind: "encode";
  readonly batch: Batch;
  /** Share of the documents for validation. */
  readonly valFraction: number;
}

export type EncodeReply = Encoded | { readonly kind: "failed"; readonly error: ThrownError };

/** Encodes one batch; UserError where it holds no valid text. */
export function encodeBatch(batch: Batch, valFraction: number): Encoded {
  switch (batch.kind) {
    case "lines":
      return encodeLines(batch, valFraction);
    case "rows":
      return encodeRows(batch, valFraction);
    case "piece":
      return encodePiece(batch);
    default:
      return batch satisfies never;
  }
}

/** Documents on their way into the two splits. */
class Sorter {
  readonly #valFraction: number;
  readonly #splits = [new TokenBuffer(), new TokenBuffer()] as const;
  readonly #documents: [number, number] = [0, 0];
  #empty = 0;

  constructor(valFraction: number) {
    this.#valFraction = valFraction;
  }

  add(text: string, place: () => string): void {
    if (isBlank(text)) {
      this.#empty++;
      return;
    }
    const split = isForValidation(text, this.#valFraction) ? 1 : 0;
    this.#documents[split]++;
    this.#splits[split].push(EOS);
    encodeAt(text, this.#splits[split], place);
  }

  result(): Encoded {
    const [train, val] = this.#splits, [trainDocuments, valDocuments] = this.#documents;
    return {
      kind: "documents",
      train: { documents: trainDocuments, tokens: train.copy() },
      val: { documents: valDocuments, tokens: val.copy() },
      empty: this.#empty,
    };
  }
}

const isBlank = (text: string) => text.trim() === "";

function encodeAt(text: string, into: TokenBuffer, place: () => string): void {
  try {
    encodeInto(text, into);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${place()} cannot be encoded: ${messageOf(error)}`);
  }
}

function encodeLines(
  { name, field, bytes, offset, firstLine }: BatchOf<"lines">,
  valFraction: number,
): Encoded {
  const sorter = new Sorter(valFraction);
  let number = firstLine;
  const add = (line: string) => {
    const place = `${name} line ${number++}`;
    if (!isBlank(line)) sorter.add(parseField(line, field, place), () => place);
  };
  const text = decodeText(bytes);
  if (text !== undefined) {
    for (let start = 0; start < text.length;) {
      const newline = text.indexOf("\n", start);
      const end = newline < 0 ? text.length : newline;
      add(text.slice(start, end));
      start = end + 1;
    }
    return sorter.result();
  }
  // Line by line, so that what is wrong before the invalid bytes is told first.
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const block = { bytes: bytes.subarray(start, end), offset: offset + start };
    add(decodeBlock(block, `${name} line ${number}`));
    start = end + 1;
  }
  return sorter.result();
}

function encodeRows({ name, lengths, bytes, firstRow }: BatchOf<"rows">, valFraction: number): Encoded {
  const sorter = new Sorter(valFraction);
  let start = 0;
  for (const [i, length] of lengths.entries()) {
    const place = `${name} row ${firstRow + i}`;
    if (length > MOST_UNCUT_BYTES) {
      throw new UserError(
        `${place} has a text of ${length} bytes; at most ${MOST_UNCUT_BYTES} can be read at once`,
      );
    }
    sorter.add(decodeBlock({ bytes: bytes.subarray(start, start + length), offset: 0 }, place), () => place);
    start += length;
  }
  return sorter.result();
}

function encodePiece({ name, bytes, offset, firstLine }: BatchOf<"piece">): Encoded {
  const invalid = () => `${name} line ${firstLine + countLines(bytes.subarray(0, validPrefix(bytes)))}`;
  const text = decodeText(bytes) ?? decodeBlock({ bytes, offset }, invalid());
  const tokens = new TokenBuffer();
  encodeAt(text, tokens, () => `${name} line ${firstLine} or later`);
  return { kind: "piece", tokens: tokens.copy(), blank: isBlank(text) };
}
