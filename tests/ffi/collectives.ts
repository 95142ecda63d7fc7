// The collectives with what plain sums give, and their check on ranks: for the tests and for `make sanitize`. For tests only.

import { at } from "../../lib/graph/node.ts";
import type { RankCall } from "./rank_worker.ts";
import type { Ranks } from "./ranks.ts";

/** A collective with its last argument, and what element i of rank r's tensor becomes, from all ranks' tensors before. */
export interface Collective {
  readonly symbol: string;
  readonly choice: (ranks: number) => number[];
  /** Whether it cuts the tensor into a part for each rank. */
  readonly parts?: true;
  readonly expected: (before: readonly (readonly number[])[], r: number, i: number) => number;
}

const column = (before: readonly (readonly number[])[], i: number) => before.map((values) => at(values, i));
/** Rounded to float32 at each step, in the order of the ranks. */
const sum = (values: readonly number[]) => values.reduce((total, x) => Math.fround(total + x));
const partOf = (i: number, count: number, ranks: number) => Math.floor(i * ranks / count);

export const COLLECTIVES: readonly Collective[] = [
  { symbol: "nanogpt_all_reduce", choice: () => [0], expected: (x, _, i) => sum(column(x, i)) },
  { symbol: "nanogpt_all_reduce", choice: () => [1], expected: (x, _, i) => Math.max(...column(x, i)) },
  {
    symbol: "nanogpt_reduce",
    choice: () => [1],
    expected: (x, r, i) => r === 1 ? sum(column(x, i)) : at(at(x, r), i),
  },
  {
    symbol: "nanogpt_reduce_scatter",
    choice: () => [],
    parts: true,
    expected: (x, r, i) => partOf(i, at(x, r).length, x.length) === r ? sum(column(x, i)) : at(at(x, r), i),
  },
  {
    symbol: "nanogpt_all_gather",
    choice: () => [],
    parts: true,
    expected: (x, r, i) => at(at(x, partOf(i, at(x, r).length, x.length)), i),
  },
  {
    symbol: "nanogpt_share",
    choice: (ranks) => [ranks - 1],
    expected: (x, _, i) => at(at(x, x.length - 1), i),
  },
];

/** Values of a rank's tensor of so many elements. */
export type Draw = (rank: number, count: number) => number[];

/** Whole numbers, whose sums are exact in any order. */
export const wholes: Draw = (rank, count) =>
  Array.from({ length: count }, (_, i) => (i * 7 + rank * 13) % 101 - 50);
/** Numbers of many sizes, whose sums depend on the order. */
export const rough: Draw = (rank, count) =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * 12.9898 + rank * 78.233) * 4 ** (i % 9)));

/** Calls of all ranks that differ in nothing but the values, and what should come of them. */
export function callsOf(
  { symbol, choice, expected }: Collective,
  ranks: number,
  count: number,
  draw: Draw,
): { calls: RankCall[]; expected: number[][] } {
  const before = Array.from({ length: ranks }, (_, rank) => draw(rank, count));
  return {
    calls: before.map((values) => ({ symbol, args: [count, ...choice(ranks)], values })),
    expected: before.map((values, rank) => values.map((_, i) => expected(before, rank, i))),
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
