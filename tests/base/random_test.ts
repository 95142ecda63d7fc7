// The counter-based random numbers against known answers, and that any piece can be drawn alone.

import { assert, assertEquals } from "@std/assert";
import { philox, RandomStream, toUnit } from "../../lib/base/random.ts";

function hex(words: Iterable<number>): string {
  return [...words].map((word) => word.toString(16).padStart(8, "0")).join(" ");
}

Deno.test("philox() gives the known answers of Random123 for philox4x32-10", () => {
  const ones = 0xffffffff;
  assertEquals(hex(philox([0, 0, 0, 0], [0, 0])), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  assertEquals(hex(philox([ones, ones, ones, ones], [ones, ones])), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  assertEquals(
    hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

Deno.test("a stream is philox over (block, stream) under the seed's two words", () => {
  const seed = 5 * 2 ** 32 + 1337;
  const words = new Uint32Array(12);
  new RandomStream(seed, 9).words(0, words);
  const blocks = [0, 1, 2].map((block) => philox([block, 0, 9, 0], [1337, 5]));
  assertEquals([...words], blocks.flat());
});

Deno.test("any piece of a stream can be drawn alone", () => {
  const stream = new RandomStream(42, 3);
  const whole = new Uint32Array(101);
  stream.words(0, whole);
  for (const [first, count] of [[0, 1], [4, 7], [40, 61], [100, 1]] as const) {
    const piece = new Uint32Array(count);
    stream.words(first, piece);
    assertEquals(piece, whole.slice(first, first + count));
  }
  for (const index of [0, 1, 2, 3, 50, 99]) assertEquals(stream.unit(index), toUnit(whole[index] ?? 0));
});

Deno.test("blocks beyond 2^32 carry into the counter's second word", () => {
  const words = new Uint32Array(4);
  new RandomStream(1, 2).words(4 * (2 ** 32 + 6), words);
  assertEquals([...words], philox([6, 1, 2, 0], [1, 0]));
});

Deno.test("units lie strictly inside (0, 1)", () => {
  assertEquals(toUnit(0), 0.5 / 2 ** 24);
  assertEquals(toUnit(0xffffffff), 1 - 0.5 / 2 ** 24);
  assertEquals(toUnit(0x80000000), 0.5 + 0.5 / 2 ** 24);
  // The low eight bits are not used.
  assertEquals(toUnit(0x123456ff), toUnit(0x12345600));
  const stream = new RandomStream(7, 0);
  const words = new Uint32Array(4000);
  stream.words(0, words);
  const mean = words.reduce((sum, word) => sum + toUnit(word), 0) / words.length;
  // Standard deviation of the mean: 1 / sqrt(12 * 4000) = 0.0046; the numbers are fixed, so this never varies.
  assert(Math.abs(mean - 0.5) < 0.015);
});
