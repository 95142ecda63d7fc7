// GPT-2's byte pair encoding, text to token ids and back. The merges and the table come from `gpt-tokenizer`
// (r50k_base); the split into words is stated here, because that package writes white space as \s, which in JavaScript
// counts U+FEFF and leaves out U+0085, while GPT-2's tokens are made with Unicode's White_Space. No text ever becomes
// a special token: `<|endoftext|>` in a document is plain text, and eos is only ever written by its id.
// Imports nothing of the project.

import { BytePairEncodingCore } from "gpt-tokenizer/BytePairEncodingCore";
import bytePairs from "gpt-tokenizer/bpeRanks/r50k_base";

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

// A cached word is a slice that keeps its whole document in memory, so the cache is bounded in entries and is emptied
// each time this many characters have passed: refilling costs nothing beside 16 MB of encoding.
const CACHE_ENTRIES = 32_768;
const CACHE_LIFE_CHARACTERS = 1 << 24;

// The package's fast form spreads each word's tokens over the call stack, which a word of some hundred thousand tokens
// overflows. A part of this length has at most three times as many; text that cannot be cut takes the slower form.
const PART_CHARACTERS = 1 << 15;

let encoder: BytePairEncodingCore | undefined;
let sinceCleared = 0;

/** The encoder, built on first use (a map of 50,256 entries, tens of milliseconds). */
function getEncoder(): BytePairEncodingCore {
  encoder ??= new BytePairEncodingCore({
    bytePairRankDecoder: bytePairs,
    tokenSplitRegex: WORDS,
    // Never allowed in a call, so never produced; an empty map would make the package search at every character.
    specialTokensEncoder: new Map([[EOS_TEXT, EOS]]),
    mergeCacheSize: CACHE_ENTRIES,
  });
  return encoder;
}

/**
 * The tokens of `text`, without any eos. A lone surrogate is encoded as U+FFFD. Time grows with the square of the
 * longest run of letters, of digits, of signs or of white space: fine below some ten thousand characters.
 */
export function encode(text: string): number[] {
  const core = getEncoder();
  sinceCleared += text.length;
  if (sinceCleared > CACHE_LIFE_CHARACTERS) {
    core.clearMergeCache();
    sinceCleared = text.length;
  }
  if (text.length <= PART_CHARACTERS) return core.encodeNative(text);
  const tokens: number[] = [];
  for (let start = 0; start < text.length;) {
    const part = text.slice(start, start + PART_CHARACTERS);
    const cut = part.length === text.length - start ? part.length : lastCut(part);
    if (cut === 0) {
      for (const word of core.encodeNativeGenerator(text.slice(start))) append(tokens, word);
      break;
    }
    append(tokens, core.encodeNative(part.slice(0, cut)));
    start += cut;
  }
  return tokens;
}

function append(tokens: number[], more: number[]): void {
  for (const token of more) tokens.push(token);
}

/** One document as it lies in a shard: eos and then the tokens of `text`. */
export function encodeDocument(text: string): Uint16Array {
  const tokens = encode(text);
  const document = new Uint16Array(tokens.length + 1);
  document[0] = EOS;
  document.set(tokens, 1);
  return document;
}

const isSpace = (character: string) => /\p{White_Space}/u.test(character);

/**
 * The last place where `text` may be cut so that encoding both parts gives the tokens of the whole: before a single
 * space or line break between two words, where every split begins a new word. 0 when there is none.
 */
export function lastCut(text: string): number {
  for (let at = text.length - 2; at > 0; at--) {
    const isBreak = text[at] === " " || text[at] === "\n";
    if (isBreak && !isSpace(text[at + 1] ?? " ") && !isSpace(text[at - 1] ?? " ")) return at;
  }
  return 0;
}

let tokenBytes: Uint8Array[] | undefined;

/** The bytes of every token id below TOKENIZER_VOCAB, built on first use. */
function getTokenBytes(): Uint8Array[] {
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

/** The text of whole `tokens`; eos is `<|endoftext|>`. */
export function decode(tokens: Iterable<number>): string {
  const decoder = new TokenDecoder();
  let text = "";
  for (const token of tokens) text += decoder.push(token);
  return text + decoder.end();
}
