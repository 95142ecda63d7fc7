// The tokenizer against tokens made with tiktoken 0.14 (gpt2), round trips, and text that streams out whole characters.

import { assert, assertEquals } from "@std/assert";
import {
  decode,
  encode,
  encodeDocument,
  EOS,
  lastCut,
  textBytes,
  TokenDecoder,
} from "../../data/tokenizer.ts";
import { randomBelow } from "./helpers.ts";

const KNOWN: [string, number[]][] = [
  ["", []],
  ["Hello world", [15496, 995]],
  ["We the People of the United States,", [1135, 262, 4380, 286, 262, 1578, 1829, 11]],
  ["<|endoftext|>", [27, 91, 437, 1659, 5239, 91, 29]],
  ["a <|endoftext|> b", [64, 1279, 91, 437, 1659, 5239, 91, 29, 275]],
  ["it's they'LL I'm", [270, 338, 484, 6, 3069, 314, 1101]],
  ["  two  spaces\n\n\tand tab ", [220, 734, 220, 9029, 628, 197, 392, 7400, 220]],
  ["na\u00efve caf\u00e9 \u2014 \u201cquoted\u201d\u2026", [
    ...[2616, 38776, 40304, 851, 564, 250, 421, 5191, 447, 251, 1399],
  ]],
  ["\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", [
    ...[33768, 98, 17312, 105, 45739, 252, 5641, 24336, 25084, 43302],
  ]],
  ["\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67 family \ud83c\udde9\ud83c\uddf0", [
    ...[41840, 102, 447, 235, 41840, 102, 447, 235, 41840, 100, 1641, 12520, 229, 102, 8582, 229, 108],
  ]],
  ["\u0661\u0662\u0663 12345 \u2167", [149, 94, 149, 95, 149, 96, 17031, 2231, 2343, 227, 100]],
  ["\u0000\u001f\u007f", [188, 219, 221]],
  [" ", [220]],
  ["\n\n\n", [628, 198]],
  ["e\u0301\u0301 \u200b.", [68, 136, 223, 136, 223, 20126, 13]],
  // Where JavaScript's \s is not Unicode's White_Space: U+FEFF is a sign, U+0085 is white space.
  ["\ufeffmark", [171, 119, 123, 4102]],
  ["a \ufeff b \ufeff\ufeff", [64, 27332, 119, 123, 275, 27332, 119, 123, 171, 119, 123]],
  ["x \u0085 y\u0085\u0085z", [87, 1587, 227, 331, 126, 227, 126, 227, 89]],
  [" \u0085\u018c", [220, 126, 227, 130, 234]],
  ["p\u01f1\u200d\u00fb\ufeff\u020c  ", [79, 131, 109, 447, 235, 42324, 171, 119, 123, 132, 234, 220, 220]],
];

Deno.test("encode() gives GPT-2's tokens and decode() the text again", () => {
  for (const [text, tokens] of KNOWN) {
    assertEquals(encode(text), tokens, JSON.stringify(text));
    assertEquals(decode(tokens), text);
  }
});

Deno.test("encode() never makes eos of text, and makes U+FFFD of a lone surrogate", () => {
  assert(!encode("<|endoftext|><|endoftext|> <|endoftext|>").includes(EOS));
  assertEquals(encode("\ud800x"), encode("\ufffdx"));
  assertEquals([...encodeDocument("Hello world")], [EOS, 15496, 995]);
  assertEquals([...encodeDocument("")], [EOS]);
  assertEquals(decode([EOS, 15496]), "<|endoftext|>Hello");
});

Deno.test("encode() takes a word whose tokens overflow no stack", () => {
  const word = "\0".repeat(200_000); // a single word, since none of its bytes merge one token each
  assertEquals(encode(word), Array(200_000).fill(188));
});

/** Random text of letters, signs, spaces of many kinds and characters of up to four bytes. */
function randomText(below: (limit: number) => number): string {
  const alphabet = [
    ..."aeiost THE.,'12\n\t\u00a0\u00e9\u3000\u65e5\u0085\ufeff",
    "\ud83d\udc69",
    "\ud840\udc00",
    "\u200d",
    "  ",
    "'s",
  ];
  return Array.from({ length: below(80) }, () => alphabet[below(alphabet.length)]).join("");
}

Deno.test("decode(encode(text)) is text, whole or token by token, never with half a character", () => {
  const below = randomBelow(3);
  for (let round = 0; round < 500; round++) {
    const text = randomText(below);
    const decoder = new TokenDecoder();
    const pieces = encode(text).map((token) => decoder.push(token));
    assertEquals(decoder.end(), "");
    assertEquals(pieces.join(""), text);
    assert(pieces.every((piece) => piece.isWellFormed() && !piece.includes("\ufffd")));
    assertEquals(decode(encode(text)), text);
  }
});

Deno.test("TokenDecoder holds a character back until it is whole", () => {
  const woman = encode("\ud83d\udc69"); // tokens 41840 (three bytes) and 102
  assertEquals(woman, [41840, 102]);
  const decoder = new TokenDecoder();
  assertEquals(woman.map((token) => decoder.push(token)), ["", "\ud83d\udc69"]);
  assertEquals([decoder.push(41840), decoder.push(15496)], ["", "\ufffdHello"]); // never completed
  assertEquals([decoder.push(41840), decoder.end()], ["", "\ufffd"]);
  assertEquals(decoder.push(15496), "Hello");
});

Deno.test("TokenDecoder shows U+FFFD for ids of the padded vocabulary", () => {
  const decoder = new TokenDecoder();
  assertEquals([decoder.push(50257), decoder.push(50303)], ["\ufffd", "\ufffd"]);
  assertEquals([decoder.push(41840), decoder.push(50300), decoder.push(0)], ["", "\ufffd\ufffd", "!"]);
});

Deno.test("lastCut() cuts where both parts give the tokens of the whole", () => {
  const below = randomBelow(5);
  let cuts = 0;
  for (let round = 0; round < 2000; round++) {
    const text = randomText(below);
    const cut = lastCut(text);
    if (cut === 0) continue;
    cuts++;
    assertEquals(
      [...encode(text.slice(0, cut)), ...encode(text.slice(cut))],
      encode(text),
      JSON.stringify(text),
    );
  }
  assert(cuts > 500, `only ${cuts} texts had a cut`);
  const known: [string, number][] = [
    ["one two three ", 13],
    ["one\ntwo", 3],
    ["a \n b", 1],
    ["\u65e5\u672c\u3001\u8a9e", 2],
    ["it's", 2],
    ["\u65e5\ud840\udc00", 0], // a letter that takes two places
    ["", 0],
    ["word", 0],
    [" word", 0],
    ["12345", 0],
    ["?!", 0],
  ];
  assertEquals(known.map(([text]) => lastCut(text)), known.map(([, cut]) => cut));
});

Deno.test("textBytes() counts the bytes of the text, none for eos, and NaN where there is no text", () => {
  const text = "Größe: 3 €, 你好 🙂\n";
  const utf8 = new TextEncoder().encode(text).length;
  assertEquals(textBytes(Int32Array.from(encode(text))), utf8);
  assertEquals(textBytes([EOS, ...encode(text), EOS, EOS, ...encode("\n")]), utf8 + 1);
  assertEquals([textBytes([]), textBytes([EOS])], [0, 0]);
  assertEquals(textBytes([...encode(text), 50257]), NaN);
});
