// The merging of long words against the definition of byte pair encoding written down plainly, and against the package's
// on words short enough for it.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { mergeLongWord, MOST_WORD_BYTES, ranksByBytes } from "../../data/long_word.ts";
import { encode, EOS, getTokenBytes } from "../../data/tokenizer.ts";
import { UserError } from "../../lib/base/errors.ts";
import { randomBelow } from "./helpers.ts";

const RANKS = ranksByBytes(getTokenBytes().slice(0, EOS));
const utf8 = new TextEncoder();

/** Joins the pair of the lowest rank, the leftmost of equals, until no pair is a token. */
function mergeByDefinition(word: Uint8Array): number[] {
  const pieces = Array.from(word, (byte) => String.fromCharCode(byte));
  while (true) {
    const ranks = pieces.slice(1).map((piece, i) => RANKS.get(`${pieces[i]}${piece}`) ?? Infinity);
    const lowest = ranks.reduce((a, b) => Math.min(a, b), Infinity);
    if (lowest === Infinity) return pieces.map((piece) => RANKS.get(piece) ?? -1);
    pieces.splice(
      ranks.indexOf(lowest),
      2,
      `${pieces[ranks.indexOf(lowest)]}${pieces[ranks.indexOf(lowest) + 1]}`,
    );
  }
}

/** Words of one kind each, for these are what text is split into; few letters make many equal pairs. */
const ALPHABETS = [
  "a",
  "ab",
  "ACGT",
  "etaoinshrdlu",
  "0123456789",
  "=-",
  "\u65e5\u672c\u8a9e\u306e",
  "e\u00e9\u00e8\u00fc",
];

function randomWord(below: (limit: number) => number, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[below(alphabet.length)]).join("");
}

Deno.test("mergeLongWord() gives the package's tokens where that is used", () => {
  const below = randomBelow(1);
  for (const alphabet of ALPHABETS) {
    for (const length of [1, 2, 3, 17, 100, 399]) {
      const word = randomWord(below, alphabet, length);
      assertEquals(mergeLongWord(utf8.encode(word), RANKS), encode(word), word);
    }
  }
});

Deno.test("encode() of longer words gives the tokens of the definition", () => {
  const below = randomBelow(2);
  for (const alphabet of ALPHABETS) {
    const word = randomWord(below, alphabet, 1200);
    assertEquals(encode(word), mergeByDefinition(utf8.encode(word)), word);
  }
});

Deno.test("encode() takes a word of 1 MB in seconds, and refuses one that is no text", () => {
  const word = randomWord(randomBelow(3), "abcdefghijklmnopqrstuvwxyz", 1_000_000);
  const started = performance.now();
  const tokens = encode(word);
  // Two seconds on a quiet machine; the package's n * n steps would take five minutes.
  assert(performance.now() - started < 60_000);
  assertEquals(tokens.map((token) => new TextDecoder().decode(getTokenBytes()[token])).join(""), word);
  assertThrows(() => encode("x".repeat(MOST_WORD_BYTES + 1)), UserError, "without a break cannot be encoded");
});
