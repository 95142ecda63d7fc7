// Which documents are for validation: those of which the SHA-256 of the text in UTF-8, its first 32 bits as a share of
// 2^32, is below the fraction asked for. So a document's split depends on its text alone: not on its neighbours, nor on
// the kind of file it lies in. Imports only this folder.

import { createHash, type Hash } from "node:crypto";
import { MOST_UNCUT_BYTES } from "./text_files.ts";

function isBelow(hash: Hash, valFraction: number): boolean {
  return hash.digest().readUInt32BE(0) / 2 ** 32 < valFraction;
}

/** Whether a document is for validation; `text` must be shorter than MOST_UNCUT_BYTES. */
export function isForValidation(text: string, valFraction: number): boolean {
  return valFraction > 0 && isBelow(createHash("sha256").update(text, "utf8"), valFraction);
}

/**
 * For which split a document is that comes in pieces: by its hash, known at its end. Of a document of more than
 * MOST_UNCUT_BYTES the first so many count, for its tokens wait in memory until then.
 */
export class SplitChoice {
  readonly #valFraction: number;
  readonly #hash = createHash("sha256");
  #left = MOST_UNCUT_BYTES;
  #isVal: boolean | undefined;

  constructor(valFraction: number) {
    this.#valFraction = valFraction;
    if (valFraction === 0) this.#isVal = false;
  }

  /** Takes the next piece; the answer where it is known. */
  add(bytes: Uint8Array): boolean | undefined {
    if (this.#isVal !== undefined) return this.#isVal;
    const part = bytes.subarray(0, this.#left);
    this.#hash.update(part);
    this.#left -= part.length;
    return this.#left === 0 ? this.end() : undefined;
  }

  end(): boolean {
    this.#isVal ??= isBelow(this.#hash, this.#valFraction);
    return this.#isVal;
  }
}
