// The verdict over attention and its gradient by groups of rows that see about as many keys, each group in its own size. For
// tests only.

import { compare } from "../../lib/base/compare.ts";
import { at } from "../../lib/graph/node.ts";
import { OPS } from "../../lib/graph/ops.ts";
import type { Outcome } from "../../lib/run/check_ops.ts";
import { decodeValues } from "../../lib/run/executor.ts";
import { toleranceOf, type Weighed } from "../../lib/run/op_tolerances.ts";

/**
 * Rows in groups that see about as many keys: one, two, up to 4, 8, 16 and so on. Tolerances are measured in the size of what
 * is expected, and a row that sees few keys has larger values, and larger roundings, than the many that see a thousand.
 */
function groupsOf(start: Float64Array): number[][] {
  const groups: number[][] = [];
  start.forEach((first, n) => {
    const group = Math.ceil(Math.log2(n - first + 1));
    (groups[group] ??= []).push(n);
  });
  return groups.filter((rows) => rows.length > 0);
}

function rowsOf(x: Float64Array, rows: readonly number[], N: number): Float64Array {
  const width = x.length / N;
  const taken = new Float64Array(rows.length * width);
  rows.forEach((row, i) => taken.set(x.subarray(row * width, (row + 1) * width), i * width));
  return taken;
}

/**
 * The op table's tolerances hold of cases of up to some 10^5 elements. The largest of n errors that add up of many roundings,
 * and so are normal, grows as sqrt(2 ln n): 1.18 times as large over 8.4 million.
 */
function tailOf(count: number): number {
  return Math.max(1, Math.sqrt(Math.log(count) / Math.log(1e5)));
}

/** What came out of it: the largest difference as a share of what is allowed, and what is wrong. */
export interface RowsVerdict {
  readonly worst: number;
  readonly problems: readonly string[];
}

/** The op table's verdict over each group of rows of a case of attention or its gradient. */
export function judgeRows(w: Weighed, { outputs, harm }: Outcome): RowsVerdict {
  const start = at(w.inputs, OPS[w.case.op].inputs.indexOf("start"));
  let worst = 0;
  const problems = [...harm];
  for (const rows of groupsOf(start)) {
    const keys = rows.map((n) => n - (start[n] ?? NaN) + 1).reduce((most, count) => Math.max(most, count));
    const expected = w.expected.map((x) => rowsOf(x, rows, start.length));
    // Of a single key dq is 0; what a float32 expectation has there are its own roundings.
    if (keys === 1 && w.case.op === "attentionGrad") at(expected, 0).fill(0);
    outputs.forEach((bytes, o) => {
      const actual = rowsOf(decodeValues(at(w.case.outputs, o), bytes), rows, start.length);
      const { relative = 0, absolute = 0 } = toleranceOf({ ...w, expected }, o);
      const tail = tailOf(actual.length);
      const found = compare(actual, at(expected, o), {
        relative: tail * relative,
        absolute: tail * absolute,
      });
      worst = Math.max(worst, found.ratio);
      if (found.pass) return;
      problems.push(`output ${OPS[w.case.op].outputs[o]}, rows that see up to ${keys} keys: ${found.reason}`);
    });
  }
  return { worst, problems };
}
