// Reference kernels of attention: row by row, as written in the formula, the mask being where each row's interval
// starts. Nothing is blocked or kept from the forward pass but the log-sums that the ABI passes on: slow, and easy to
// check against the formula. May import only views.ts, its neighbour.

import { arg, get, reals, type ReferenceKernel, type View, wholes } from "./views.ts";

/** (N, H, D) and 1/sqrt(D). */
function sizes(args: readonly number[]): { N: number; H: number; D: number; scale: number } {
  return { N: arg(args, 0), H: arg(args, 2), D: arg(args, 3), scale: 1 / Math.sqrt(arg(args, 3)) };
}

function dot(a: Float64Array, i: number, b: Float64Array, j: number, D: number): number {
  let sum = 0;
  for (let d = 0; d < D; d++) sum += (a[i + d] ?? NaN) * (b[j + d] ?? NaN);
  return sum;
}

/** a[i..] += factor * b[j..] over D elements. */
function addScaled(a: Float64Array, i: number, factor: number, b: Float64Array, j: number, D: number): void {
  for (let d = 0; d < D; d++) a[i + d] = (a[i + d] ?? NaN) + factor * (b[j + d] ?? NaN);
}

/** Tensors of a forward pass, and the row that query 0 is. */
interface Forward {
  readonly y: Float64Array;
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly start: Int32Array;
  readonly first: number;
  /** Where a row lies among those of k and v. */
  readonly place: (row: number) => number;
}

/** y of every query and head; `tell` gets the log of the sum of its exponentials. */
function attend(
  { y, q, k, v, start, first, place }: Forward,
  { H, D }: Readonly<Record<"H" | "D", number>>,
  tell: (head: number, lse: number) => void = () => {},
): void {
  const scale = 1 / Math.sqrt(D);
  y.fill(0);
  start.forEach((low, n) => {
    const rows = Array.from({ length: first + n + 1 - low }, (_, i) => place(low + i));
    for (let h = 0; h < H; h++) {
      const row = (n * H + h) * D;
      const scores = rows.map((s) => scale * dot(q, row, k, (s * H + h) * D, D));
      const highest = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((score) => Math.exp(score - highest));
      const sum = weights.reduce((a, b) => a + b, 0);
      tell(n * H + h, highest + Math.log(sum));
      rows.forEach((s, i) => addScaled(y, row, (weights[i] ?? NaN) / sum, v, (s * H + h) * D, D));
    }
  });
}

function attention(t: readonly View[], args: readonly number[]): void {
  const [y, lse, q, k, v] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3), reals(t, 4)];
  const tensors = { y, q, k, v, start: wholes(t, 5), first: 0, place: (row: number) => row };
  attend(tensors, sizes(args), (head, sum) => lse[head] = sum);
}

function attentionCached(t: readonly View[], args: readonly number[]): void {
  const [y, q, k, v] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3)];
  const [rows, H, D] = [arg(args, 1), arg(args, 2), arg(args, 3)];
  const place = (row: number) => row % rows;
  attend({ y, q, k, v, start: wholes(t, 4), first: get(wholes(t, 5), 0), place }, { H, D });
}

function attentionGrad(t: readonly View[], args: readonly number[]): void {
  const { N, H, D, scale } = sizes(args);
  const [dq, dk, dv, dy] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3)];
  const [q, k, v, y, lse] = [reals(t, 4), reals(t, 5), reals(t, 6), reals(t, 7), reals(t, 8)];
  const start = wholes(t, 9);
  [dq, dk, dv].forEach((gradient) => gradient.fill(0));
  for (let n = 0; n < N; n++) {
    for (let h = 0; h < H; h++) {
      const row = (n * H + h) * D;
      const delta = dot(dy, row, y, row, D);
      for (let s = get(start, n); s <= n; s++) {
        const key = (s * H + h) * D;
        const p = Math.exp(scale * dot(q, row, k, key, D) - get(lse, n * H + h));
        const ds = p * (dot(dy, row, v, key, D) - delta) * scale;
        addScaled(dv, key, p, dy, row, D);
        addScaled(dq, row, ds, k, key, D);
        addScaled(dk, key, ds, q, row, D);
      }
    }
  }
}

const attentionStart: ReferenceKernel = (t, args) => {
  const [start, tokens] = [wholes(t, 0), wholes(t, 1)];
  const [T, window, eos] = [arg(args, 1), arg(args, 2), arg(args, 3)];
  let document = 0;
  tokens.forEach((token, n) => {
    if (n % T === 0 || token === eos) document = n;
    start[n] = Math.max(document, n - window + 1);
  });
};

export const ATTENTION_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_attention_start: attentionStart,
  nanogpt_attention: attention,
  nanogpt_attention_grad: attentionGrad,
  nanogpt_attention_cached: attentionCached,
};
