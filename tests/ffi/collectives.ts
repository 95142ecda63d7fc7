// The collectives with what plain sums give, and their check on ranks: for the tests and for `make sanitize`. For tests only.

import { at } from "../../lib/graph/node.ts";
import type { RankCall } from "./rank_worker.ts";
import type { Ranks } from "./ranks.ts";

type Tensor = Float32Array<ArrayBuffer>;

/** A collective with its last argument, and what rank r's tensor becomes, from all ranks' tensors before. */
interface Collective {
  readonly symbol: string;
  readonly choice: (ranks: number) => number[];
  /** Whether it cuts the tensor into a part for each rank. */
  readonly parts?: true;
  readonly expected: (before: readonly Tensor[], r: number) => Tensor;
}

/** Element by element, in the order of the ranks and rounded to float32 at each step. */
function combined(before: readonly Tensor[], combine: (a: number, b: number) => number): Tensor {
  return before.reduce((total, tensor) => total.map((x, i) => combine(x, tensor[i] ?? NaN)));
}
const sum = (before: readonly Tensor[]) => combined(before, (a, b) => a + b);

/** Rank r's part of `from` put into its place of a copy of `to`. */
function withPart(to: Tensor, from: Tensor, r: number, ranks: number): Tensor {
  const part = from.length / ranks;
  const copy = to.slice();
  copy.set(from.subarray(r * part, (r + 1) * part), r * part);
  return copy;
}

export const COLLECTIVES: readonly Collective[] = [
  { symbol: "nanogpt_all_reduce", choice: () => [0], expected: sum },
  { symbol: "nanogpt_all_reduce", choice: () => [1], expected: (before) => combined(before, Math.max) },
  {
    symbol: "nanogpt_reduce",
    choice: () => [1],
    expected: (before, r) => r === 1 ? sum(before) : at(before, r),
  },
  {
    symbol: "nanogpt_reduce_scatter",
    choice: () => [],
    parts: true,
    expected: (before, r) => withPart(at(before, r), sum(before), r, before.length),
  },
  {
    symbol: "nanogpt_all_gather",
    choice: () => [],
    parts: true,
    expected: (before) =>
      before.reduce((all, tensor, r) => withPart(all, tensor, r, before.length), at(before, 0)),
  },
  {
    symbol: "nanogpt_share",
    choice: (ranks) => [ranks - 1],
    expected: (before) => at(before, before.length - 1),
  },
];

/** Values of a rank's tensor of so many elements. */
export type Draw = (rank: number, count: number) => Tensor;

/** Whole numbers, whose sums are exact in any order. */
export const wholes: Draw = (rank, count) =>
  Float32Array.from({ length: count }, (_, i) => (i * 7 + rank * 13) % 101 - 50);
/** Numbers of many sizes, whose sums depend on the order. */
export const rough: Draw = (rank, count) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + rank * 78.233) * 4 ** (i % 9));

/** Calls of all ranks that differ in nothing but the values, and what should come of them. */
export function callsOf(
  { symbol, choice, expected }: Collective,
  ranks: number,
  count: number,
  draw: Draw,
): { calls: RankCall[]; expected: Tensor[] } {
  const before = Array.from({ length: ranks }, (_, rank) => draw(rank, count));
  return {
    calls: before.map((values) => ({ symbol, args: [count, ...choice(ranks)], values })),
    expected: before.map((_, rank) => expected(before, rank)),
  };
}

/** Every collective on tensors, or parts of tensors, of so many elements each; returns the problems. */
export async function checkCollectives(
  ranks: Ranks,
  counts: readonly number[],
  draw: Draw,
): Promise<string[]> {
  const problems: string[] = [];
  for (const collective of COLLECTIVES) {
    for (const count of counts) {
      const whole = collective.parts ? count * ranks.size : count;
      const { calls, expected } = callsOf(collective, ranks.size, whole, draw);
      for (const [rank, { error, values }] of (await ranks.call(calls)).entries()) {
        if (values?.every((x, i) => Object.is(x, expected[rank]?.[i]))) continue;
        const what = `${collective.symbol} of ${whole} elements, rank ${rank} of ${ranks.size}`;
        problems.push(`${what}: ${error ?? "not the plain sums"}`);
      }
    }
  }
  return problems;
}
