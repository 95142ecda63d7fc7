// Reference kernel of the matrix product: three loops over contiguous rows (of a transposed copy where need be), two
// rows by four at a time, so that eight sums share six loads. The one reference kernel that is written for speed,
// since nearly all of the device's time is here; each sum still runs in order of k. May import only views.ts, its
// neighbour.

import { arg, get, reals, type ReferenceKernel } from "./views.ts";

/** A (rows, columns) matrix from its transposed storage. */
function transposed(x: Float64Array, rows: number, columns: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) y[i * columns + j] = get(x, j * rows + i);
  }
  return y;
}

export const MATRIX_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_matmul(t, args) {
    const [m, n, k] = [arg(args, 0), arg(args, 1), arg(args, 2)];
    const c = reals(t, 0);
    const a = arg(args, 3) ? transposed(reals(t, 1), m, k) : reals(t, 1);
    const b = arg(args, 4) ? reals(t, 2) : transposed(reals(t, 2), n, k);
    if (arg(args, 8) === 0) c.fill(0);
    for (let i = 0; i < m; i += 2) {
      for (let j = 0; j < n; j += 4) addBlock(c, a, b, i, j, Math.min(2, m - i), Math.min(4, n - j), n, k);
    }
  },
};

/** Adds the products of rows i .. of a (at most 2) and rows j .. of b (at most 4), each of k numbers, to c (.., n). */
function addBlock(
  c: Float64Array,
  a: Float64Array,
  b: Float64Array,
  i: number,
  j: number,
  rows: number,
  columns: number,
  n: number,
  k: number,
): void {
  // A block that sticks out reads its first row again, and what that gives is dropped.
  const a0 = i * k, a1 = rows > 1 ? a0 + k : a0;
  const b0 = j * k, b1 = columns > 1 ? b0 + k : b0;
  const b2 = columns > 2 ? b0 + 2 * k : b0, b3 = columns > 3 ? b0 + 3 * k : b0;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  for (let p = 0; p < k; p++) {
    const x = a[a0 + p] ?? NaN, z = a[a1 + p] ?? NaN;
    const y0 = b[b0 + p] ?? NaN, y1 = b[b1 + p] ?? NaN, y2 = b[b2 + p] ?? NaN, y3 = b[b3 + p] ?? NaN;
    s0 += x * y0;
    s1 += x * y1;
    s2 += x * y2;
    s3 += x * y3;
    t0 += z * y0;
    t1 += z * y1;
    t2 += z * y2;
    t3 += z * y3;
  }
  addRow(c, i * n + j, columns, s0, s1, s2, s3);
  if (rows > 1) addRow(c, (i + 1) * n + j, columns, t0, t1, t2, t3);
}

/** c[at ..] += the first `columns` of four sums. */
function addRow(
  c: Float64Array,
  at: number,
  columns: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
) {
  c[at] = get(c, at) + s0;
  if (columns > 1) c[at + 1] = get(c, at + 1) + s1;
  if (columns > 2) c[at + 2] = get(c, at + 2) + s2;
  if (columns > 3) c[at + 3] = get(c, at + 3) + s3;
}
