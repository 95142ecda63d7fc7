// Reference kernel of the matrix product: three loops, the inner one over contiguous rows of a transposed copy.

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
    const accumulate = arg(args, 8) !== 0;
    if (!accumulate) c.fill(0);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j += 4) addDots(c, i * n + j, a, i * k, b, j * k, k, Math.min(4, n - j));
    }
  },
};

/** c[at + q] += row of a at `i` times row of b at `j + q*k`, for q < columns (1 to 4): four sums share a's loads. */
function addDots(
  c: Float64Array,
  at: number,
  a: Float64Array,
  i: number,
  b: Float64Array,
  j: number,
  k: number,
  columns: number,
): void {
  const j1 = columns > 1 ? j + k : j;
  const j2 = columns > 2 ? j + 2 * k : j;
  const j3 = columns > 3 ? j + 3 * k : j;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let p = 0; p < k; p++) {
    const x = a[i + p] ?? NaN;
    s0 += x * (b[j + p] ?? NaN);
    s1 += x * (b[j1 + p] ?? NaN);
    s2 += x * (b[j2 + p] ?? NaN);
    s3 += x * (b[j3 + p] ?? NaN);
  }
  c[at] = (c[at] ?? NaN) + s0;
  if (columns > 1) c[at + 1] = (c[at + 1] ?? NaN) + s1;
  if (columns > 2) c[at + 2] = (c[at + 2] ?? NaN) + s2;
  if (columns > 3) c[at + 3] = (c[at + 3] ?? NaN) + s3;
}
