// Reference kernels on rows of activations: embedding and its gradient, selection, norms, rotary positions, and norm with
// rotation. One row after the other, every sum in order. Tokens and row indices are trusted. May import only views.ts, its
// neighbour.

import { arg, get, reals, type ReferenceKernel, wholes } from "./views.ts";

/** 1 / sqrt(mean(x^2) + eps) of the row at `start`. */
function inverseRms(x: Float64Array, start: number, width: number, eps: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += get(x, i) ** 2;
  return 1 / Math.sqrt(sum / width + eps);
}

/** y = the heads of x rotated by the angles of their positions; `sign` -1 rotates back. */
function rotate(
  y: Float64Array,
  x: Float64Array,
  table: Float64Array,
  { N, T, H, D }: Readonly<Record<"N" | "T" | "H" | "D", number>>,
  sign: number,
): void {
  for (let head = 0; head < N * H; head++) {
    const position = Math.floor(head / H) % T;
    for (let j = 0; j < D / 2; j++) {
      const cos = get(table, position * D + j);
      const sin = sign * get(table, position * D + D / 2 + j);
      const a = get(x, head * D + j);
      const b = get(x, head * D + D / 2 + j);
      y[head * D + j] = a * cos + b * sin;
      y[head * D + D / 2 + j] = b * cos - a * sin;
    }
  }
}

/** Cosines and sines of the positions from `first` on; the arguments are T, D and the base. */
function fillTable(table: Float64Array, first: number, args: readonly number[]): void {
  const [T, D, base] = [arg(args, 0), arg(args, 1), arg(args, 2)];
  for (let row = 0; row < T; row++) {
    for (let j = 0; j < D / 2; j++) {
      const angle = (first + row) * base ** (-2 * j / D);
      table[row * D + j] = Math.cos(angle);
      table[row * D + D / 2 + j] = Math.sin(angle);
    }
  }
}

export const ROW_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_embed(t, args) {
    const [y, table, tokens] = [reals(t, 0), reals(t, 1), wholes(t, 2)];
    const C = arg(args, 1);
    tokens.forEach((token, n) => y.set(table.subarray(token * C, (token + 1) * C), n * C));
  },
  nanogpt_embed_grad(t, args) {
    const [dTable, dy, tokens] = [reals(t, 0), reals(t, 1), wholes(t, 2)];
    const C = arg(args, 1);
    if (!arg(args, 3)) dTable.fill(0);
    tokens.forEach((token, n) => {
      for (let c = 0; c < C; c++) dTable[token * C + c] = get(dTable, token * C + c) + get(dy, n * C + c);
    });
  },
  nanogpt_select_row(t, args) {
    const [y, x, index] = [reals(t, 0), reals(t, 1), wholes(t, 2)];
    const C = arg(args, 1);
    y.set(x.subarray(get(index, 0) * C, (get(index, 0) + 1) * C));
  },
  nanogpt_cache_rows(t, args) {
    const [cache, x, position] = [reals(t, 0), reals(t, 1), get(wholes(t, 2), 0)];
    const [N, rows, C] = [arg(args, 0), arg(args, 1), arg(args, 2)];
    for (let n = 0; n < N; n++) cache.set(x.subarray(n * C, (n + 1) * C), (position + n) % rows * C);
  },
  nanogpt_rms_norm(t, args) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    const [width, eps] = [arg(args, 1), arg(args, 3)];
    for (let start = 0; start < x.length; start += width) {
      const r = inverseRms(x, start, width, eps);
      for (let i = start; i < start + width; i++) y[i] = get(x, i) * r;
    }
  },
  nanogpt_rms_norm_grad(t, args) {
    const [dx, x, dy] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    const [width, eps] = [arg(args, 1), arg(args, 3)];
    for (let start = 0; start < x.length; start += width) {
      const r = inverseRms(x, start, width, eps);
      let dot = 0;
      for (let i = start; i < start + width; i++) dot += get(x, i) * get(dy, i);
      for (let i = start; i < start + width; i++) dx[i] = r * get(dy, i) - get(x, i) * r ** 3 * dot / width;
    }
  },
  nanogpt_rope_table: (t, args) => fillTable(reals(t, 0), 0, args),
  nanogpt_rope_table_at: (t, args) => fillTable(reals(t, 0), get(wholes(t, 1), 0), args),
  nanogpt_rope(t, args) {
    const [N, T, H, D, inverse] = [arg(args, 0), arg(args, 1), arg(args, 2), arg(args, 3), arg(args, 4)];
    rotate(reals(t, 0), reals(t, 1), reals(t, 2), { N, T, H, D }, inverse ? -1 : 1);
  },
  nanogpt_norm_rope(t, args) {
    const [y, r, x, table] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3)];
    const [N, T, H, D, eps] = [arg(args, 0), arg(args, 1), arg(args, 2), arg(args, 3), arg(args, 5)];
    const normed = x.map((value, i) => {
      if (i % D === 0) r[i / D] = inverseRms(x, i, D, eps);
      return get(r, Math.floor(i / D)) * value;
    });
    rotate(y, normed, table, { N, T, H, D }, 1);
  },
  nanogpt_norm_rope_grad(t, args) {
    const [dx, dy, y, r, table] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3), reals(t, 4)];
    const [N, T, H, D] = [arg(args, 0), arg(args, 1), arg(args, 2), arg(args, 3)];
    // d(loss)/d(normed x) less its share along the normed x; then both rotated back at once, which is linear.
    const across = dy.slice();
    for (let start = 0; start < dy.length; start += D) {
      let dot = 0;
      for (let i = start; i < start + D; i++) dot += get(dy, i) * get(y, i);
      for (let i = start; i < start + D; i++) {
        across[i] = get(r, start / D) * (get(dy, i) - get(y, i) * dot / D);
      }
    }
    rotate(dx, across, table, { N, T, H, D }, -1);
  },
};
