// Drawing a token from logits: which token a number in (0, 1) stands for, and the edges of temperature and top-k.

import { assert, assertEquals } from "@std/assert";
import { RandomStream } from "../../lib/base/random.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { drawToken } from "../../lib/run/sampler.ts";

const ALL = { temperature: 1, topK: undefined };

Deno.test("drawToken() draws each token as often as the softmax says", () => {
  const probabilities = [0.1, 0.5, 0.15, 0.25];
  const logits = Float64Array.from(probabilities, Math.log);
  const random = new RandomStream(1, 0);
  const counts = [0, 0, 0, 0];
  const draws = 20_000;
  for (let i = 0; i < draws; i++) {
    const token = drawToken(logits, ALL, random.unit(i));
    counts[token] = (counts[token] ?? 0) + 1;
  }
  for (const [token, p] of probabilities.entries()) {
    // Five standard deviations of a binomial count.
    const allowed = 5 * Math.sqrt(draws * p * (1 - p));
    assert(
      Math.abs((counts[token] ?? 0) - draws * p) < allowed,
      `token ${token}: ${counts[token]} of ${draws}`,
    );
  }
});

Deno.test("drawToken() divides (0, 1) among the tokens, the likeliest first", () => {
  const logits = Float64Array.from([0.25, 0.5, 0.25], Math.log);
  const drawn = [1e-9, 0.4999, 0.5001, 0.7499, 0.7501, 1 - 2 ** -25].map((unit) =>
    drawToken(logits, ALL, unit)
  );
  assertEquals(drawn, [1, 1, 0, 0, 2, 2]);
});

Deno.test("Temperature sharpens and flattens; at 0 the likeliest token is taken, the first of equals", () => {
  const logits = Float64Array.of(1, 3, 3, 2);
  for (const unit of [1e-9, 0.5, 1 - 1e-9]) {
    assertEquals(drawToken(logits, { ...ALL, temperature: 0 }, unit), 1);
  }
  // Next to nothing: the two likeliest share, whatever their distance to the others; no division overflows.
  const cold = [0.25, 0.75].map((unit) => drawToken(logits, { ...ALL, temperature: 1e-300 }, unit));
  assertEquals(cold, [1, 2]);
  const hot = [0.1, 0.4, 0.6, 0.9].map((unit) => drawToken(logits, { ...ALL, temperature: 1e9 }, unit));
  assertEquals(hot, [1, 2, 3, 0], "a quarter each");
});

Deno.test("--top-k leaves only the likeliest; more than there are is all of them", () => {
  const logits = Float64Array.of(0, 0, 1, 0.5);
  const last = 1 - 1e-9;
  assertEquals(drawToken(logits, { ...ALL, topK: 1 }, last), 2);
  assertEquals(drawToken(logits, { ...ALL, topK: 2 }, last), 3);
  assertEquals(drawToken(logits, { ...ALL, topK: 3 }, last), 0);
  assertEquals(drawToken(logits, { ...ALL, topK: 99 }, last), drawToken(logits, ALL, last));
});

Deno.test("A token of no probability is never drawn, even where rounding leaves a rest", () => {
  const logits = Float64Array.of(30, 30, 30, -3000);
  assertEquals(drawToken(logits, ALL, 1), 2);
  assertEquals(drawToken(Float64Array.of(5), ALL, 0.5), 0, "a single token");
});

/** The token that is drawn from these, which are sorted, the likeliest first. */
function drawPlainly(
  logits: Float64Array,
  tokens: readonly number[],
  temperature: number,
  unit: number,
): number {
  const highest = logits[tokens[0] ?? 0] ?? 0;
  const weights = tokens.map((token) => Math.exp(((logits[token] ?? 0) - highest) / temperature));
  let left = unit * weights.reduce((a, b) => a + b);
  return tokens[weights.findIndex((weight) => (left -= weight) < 0)] ?? -1;
}

Deno.test("drawToken() draws from a large vocabulary what sorting all of it gives, flat or peaked", () => {
  const random = new RandomStream(2, 0);
  for (const scale of [0.1, 2, 8]) {
    // Rounded, so that many are equal.
    const logits = drawNormal(new RandomStream(3, scale * 10), 5000, scale).map((x) => Math.round(8 * x) / 8);
    const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
    for (const topK of [1, 50, 4000, undefined]) {
      for (let i = 0; i < 25; i++) {
        const [drawn, plain] = [
          drawToken(logits, { temperature: 0.8, topK }, random.unit(i)),
          drawPlainly(logits, order.slice(0, topK), 0.8, random.unit(i)),
        ];
        assertEquals(drawn, plain, `scale ${scale}, top ${topK}, draw ${i}`);
      }
    }
  }
});
