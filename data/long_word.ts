// GPT-2's merges for a single very long word, in n log n steps: a heap holds the pairs that may merge, lowest rank first
// and the leftmost of equals first, as byte pair encoding asks. For short words the package in tokenizer.ts is faster,
// but it takes n * n steps. Knows no table and refuses words of more than MOST_WORD_BYTES. Imports lib/base only.

import { Buffer } from "node:buffer";
import { InternalError, UserError } from "../lib/base/errors.ts";

/** Longest word in bytes: 4 MiB, whose merging takes some 300 MB of memory and ten seconds. */
export const MOST_WORD_BYTES = 1 << 22;
/** The smallest of many numbers first; holds at most `capacity` at once. */
class Heap {
  readonly #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
    const keys = this.#keys;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = keys[parent] ?? 0;
      if (above <= key) break;
      keys[at] = above;
      at = parent;
    }
    keys[at] = key;
  }

  /** Removes and returns the smallest; undefined when there is none. */
  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const keys = this.#keys;
    const smallest = keys[0];
    const size = --this.#size;
    const key = keys[size] ?? 0;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (keys[child + 1] ?? 0) < (keys[child] ?? 0)) child++;
      const below = keys[child] ?? 0;
      if (below >= key) break;
      keys[at] = below;
      at = child;
    }
    keys[at] = key;
    return smallest;
  }
}

/** The tokens as a table for `mergeLongWord`: bytes, one to a character, to the token's id, which is its rank. */
export function ranksByBytes(tokenBytes: readonly Uint8Array[]): Map<string, number> {
  return new Map(tokenBytes.map((bytes, id) => [Buffer.from(bytes).toString("latin1"), id]));
}

/**
 * The tokens of one word, given as its bytes in UTF-8; every single byte must be in `ranks`. UserError where it is
 * longer than MOST_WORD_BYTES.
 */
export function mergeLongWord(word: Uint8Array, ranks: ReadonlyMap<string, number>): number[] {
  const size = word.length;
  if (size > MOST_WORD_BYTES) {
    throw new UserError(
      `a word of ${size} bytes without a break cannot be encoded, at most ${MOST_WORD_BYTES} can: is this text?`,
    );
  }
  const text = Buffer.from(word.buffer, word.byteOffset, size).toString("latin1");
  // A linked list of pieces, each named by its first byte; `rank` is that of a piece joined with the next, -1: none.
  const next = Int32Array.from({ length: size }, (_, i) => i + 1);
  const before = Int32Array.from({ length: size }, (_, i) => i - 1);
  const rank = new Int32Array(size).fill(-1);
  const heap = new Heap(3 * size); // each pair once, and two new ones for each of less than `size` merges
  const weigh = (piece: number) => {
    const second = next[piece] ?? size;
    const found = second < size ? ranks.get(text.slice(piece, next[second])) : undefined;
    rank[piece] = found ?? -1;
    if (found !== undefined) heap.push(found * MOST_WORD_BYTES + piece);
  };
  for (let piece = 0; piece < size; piece++) weigh(piece);
  for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
    const piece = key % MOST_WORD_BYTES;
    if (rank[piece] !== (key - piece) / MOST_WORD_BYTES) continue; // one of the two has merged otherwise since
    const second = next[piece] ?? size;
    const third = next[second] ?? size;
    next[piece] = third;
    if (third < size) before[third] = piece;
    rank[second] = -1;
    weigh(piece);
    const first = before[piece] ?? -1;
    if (first >= 0) weigh(first);
  }
  const tokens: number[] = [];
  for (let piece = 0; piece < size; piece = next[piece] ?? size) {
    const token = ranks.get(text.slice(piece, next[piece]));
    if (token === undefined) throw new InternalError(`no token for byte ${word[piece]} of a word`);
    tokens.push(token);
  }
  return tokens;
}
