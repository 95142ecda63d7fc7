// GPT-2's byte pair encoding, text to token ids and back. The merges and the table come from `gpt-tokenizer`
// (r50k_base); the split into words is stated here, because that package writes white space as \s, which in JavaScript
// counts U+FEFF and leaves out U+0085, while GPT-2's tokens are made with Unicode's White_Space. No text ever becomes
// a special token: `<|endoftext|>` in a document is plain text, and eos is only ever written by its id.
// Imports only this folder.

import { BytePairEncodingCore } from "gpt-tokenizer/BytePairEncodingCore";
import bytePairs from "gpt-tokenizer/bpeRanks/r50k_base";
import { mergeLongWord, ranksByBytes } from "./long_word.ts";

/** The token that opens every document. */
export const EOS = 50256;
/** Token ids are below this; a model's padded vocabulary may be larger. */
export const TOKENIZER_VOCAB = 50257;

const EOS_TEXT = "<|endoftext|>";
const WORDS = new RegExp(
  [
    "'(?:[sdmt]|ll|ve|re)",
    " ?\\p{L}+",
    " ?\\p{N}+",
    " ?[^\\p{White_Space}\\p{L}\\p{N}]+",
    "\\p{White_Space}+(?!\\P{White_Space})",
    "\\p{White_Space}+",
  ].join("|"),
  "gu",
);

/** Text is split into words in parts of about this length, so that the list of words stays small. */
const PART_CHARACTERS = 1 << 15;
/** From this length on the package's merging, n * n steps, takes longer than ours. */
const LONG_WORD_CHARACTERS = 400;

// A cached word is a slice that keeps its whole document in memory, so the cache is bounded in entries and is emptied
// each time this many characters have passed: refilling costs nothing beside 16 MB of encoding.
const CACHE_ENTRIES = 65_536;
const CACHE_LIFE_CHARACTERS = 1 << 24;

/** Tokens in one array that grows. */
export class TokenBuffer {
  #tokens = new Uint16Array(1 << 12);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(token: number): void {
    if (this.#count === this.#tokens.length) {
      const larger = new Uint16Array(2 * this.#count);
      larger.set(this.#tokens);
      this.#tokens = larger;
    }
    this.#tokens[this.#count++] = token;
  }

  /** The tokens so far, in an array of their own. */
  copy(): Uint16Array<ArrayBuffer> {
    return this.#tokens.slice(0, this.#count);
  }
}

/** Words to tokens. Most words are one token; the others are merged once and then remembered for a while. */
class Encoder {
  readonly #single = new Map<string, number>();
  readonly #merged = new Map<string, readonly number[]>();
  readonly #core = new BytePairEncodingCore({
    bytePairRankDecoder: bytePairs,
    tokenSplitRegex: WORDS,
    // Never allowed in a call, so never produced; an empty map would make the package search at every character.
    specialTokensEncoder: new Map([[EOS_TEXT, EOS]]),
    mergeCacheSize: 0,
  });
  readonly #utf8 = new TextEncoder();
  #longWords: Map<string, number> | undefined;
  #sinceCleared = 0;

  constructor() {
    for (const [id, value] of bytePairs.entries()) {
      if (typeof value === "string") this.#single.set(value, id);
    }
  }

  encode(text: string, into: TokenBuffer): void {
    this.#sinceCleared += text.length;
    if (this.#sinceCleared > CACHE_LIFE_CHARACTERS) {
      this.#merged.clear();
      this.#sinceCleared = text.length;
    }
    for (let start = 0; start < text.length;) {
      const end = partEnd(text, start);
      for (const word of text.slice(start, end).match(WORDS) ?? []) {
        const single = this.#single.get(word);
        if (single !== undefined) into.push(single);
        else for (const token of this.#merge(word)) into.push(token);
      }
      start = end;
    }
  }

  #merge(word: string): readonly number[] {
    const known = this.#merged.get(word);
    if (known !== undefined) return known;
    if (word.length >= LONG_WORD_CHARACTERS) {
      this.#longWords ??= ranksByBytes(getTokenBytes().slice(0, EOS));
      return mergeLongWord(this.#utf8.encode(word), this.#longWords);
    }
    const tokens = this.#core.encodeNative(word);
    if (this.#merged.size >= CACHE_ENTRIES) this.#merged.clear();
    this.#merged.set(word, tokens);
    return tokens;
  }
}

let encoder: Encoder | undefined;

/**
 * Appends the tokens of `text`, without any eos. A lone surrogate is encoded as U+FFFD. UserError for a word of more
 * than MOST_WORD_BYTES bytes. The first call builds the tables (a map of 50,256 entries, tens of milliseconds).
 */
export function encodeInto(text: string, into: TokenBuffer): void {
  encoder ??= new Encoder();
  encoder.encode(text, into);
}

/** The tokens of `text` as `encodeInto` makes them. */
export function encode(text: string): number[] {
  const tokens = new TokenBuffer();
  encodeInto(text, tokens);
  return [...tokens.copy()];
}

/** One document as it lies in a shard: eos and then the tokens of `text`. */
export function encodeDocument(text: string): Uint16Array {
  const tokens = new TokenBuffer();
  tokens.push(EOS);
  encodeInto(text, tokens);
  return tokens.copy();
}

const isSpace = (character: string) => /^\p{White_Space}/u.test(character);
const isLetter = (character: string) => /^\p{L}/u.test(character);

/**
 * Whether `text` may be cut before character `at`, so that encoding both parts gives the tokens of the whole: where
 * white space follows something else, or something else follows a letter, every split begins a new word, for no word
 * goes on over such a place, and none looks back beyond its own start.
 */
function isCut(text: string, at: number): boolean {
  const before = text.charAt(at - 1);
  const next = String.fromCodePoint(text.codePointAt(at) ?? 0);
  return isSpace(next) ? !isSpace(before) : isLetter(before) && !isLetter(next);
}

/** The last place where `text` may be cut (see `isCut`), 0 when there is none. */
export function lastCut(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    if (isCut(text, at)) return at;
  }
  return 0;
}

/** Where the part of `text` that begins at `start` ends: PART_CHARACTERS later at most, or at the first cut after. */
function partEnd(text: string, start: number): number {
  const end = start + PART_CHARACTERS;
  if (end >= text.length) return text.length;
  const cut = lastCut(text.slice(start, end));
  if (cut > 0) return start + cut;
  for (let at = end; at < text.length; at++) {
    if (isCut(text, at)) return at;
  }
  return text.length;
}

let tokenBytes: Uint8Array[] | undefined;
/** U+FFFD, for ids without text. */
const NO_TEXT = Uint8Array.of(0xef, 0xbf, 0xbd);

/** The bytes of every token id below TOKENIZER_VOCAB, built on first use. */
export function getTokenBytes(): Uint8Array[] {
  if (tokenBytes === undefined) {
    const utf8 = new TextEncoder();
    tokenBytes = bytePairs.map((value) =>
      typeof value === "string" ? utf8.encode(value) : new Uint8Array(value)
    );
    tokenBytes[EOS] = utf8.encode(EOS_TEXT);
  }
  return tokenBytes;
}

/**
 * Bytes of the text that `tokens` stand for, in UTF-8: eos is no text and has none. NaN where an id is no token of
 * GPT-2's.
 */
export function textBytes(tokens: ArrayLike<number>): number {
  const table = getTokenBytes();
  let bytes = 0;
  for (let i = 0; i < tokens.length; i++) { // by index: iterating a typed array takes ten times as long
    const token = tokens[i] ?? NaN;
    if (token !== EOS) bytes += table[token]?.length ?? NaN;
  }
  return bytes;
}

/**
 * Token ids to text, one at a time. A character whose bytes lie in several tokens comes out whole with the last of
 * them; bytes that can never become a character come out as U+FFFD. An id without text (the padding of a model's
 * vocabulary) is U+FFFD too, so that an untrained model can be sampled.
 */
export class TokenDecoder {
  #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  /** The text that `token` completes, perhaps empty. */
  push(token: number): string {
    const bytes = getTokenBytes()[token];
    if (bytes !== undefined) return this.#utf8.decode(bytes, { stream: true });
    return this.end() + "\ufffd";
  }

  /** The rest: U+FFFD for a character that was begun and not finished, else empty. Ready for new text afterwards. */
  end(): string {
    return this.#utf8.decode();
  }
}

/** The text of whole `tokens`, as TokenDecoder gives it; eos is `<|endoftext|>`. */
export function decode(tokens: ArrayLike<number>): string {
  const table = getTokenBytes();
  let size = 0;
  for (let i = 0; i < tokens.length; i++) size += (table[tokens[i] ?? 0] ?? NO_TEXT).length;
  const bytes = new Uint8Array(size);
  for (let i = 0, at = 0; i < tokens.length; i++) { // by index: iterating a typed array takes ten times as long
    const token = table[tokens[i] ?? 0] ?? NO_TEXT;
    bytes.set(token, at);
    at += token.length;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
