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

function attention(t: readonly View[], args: readonly number[]): void {
  const { N, H, D, scale } = sizes(args);
  const [y, lse, q, k, v] = [reals(t, 0), reals(t, 1), reals(t, 2), reals(t, 3), reals(t, 4)];
  const start = wholes(t, 5);
  const weights = new Float64Array(N);
  y.fill(0);
  for (let n = 0; n < N; n++) {
    const first = get(start, n);
    for (let h = 0; h < H; h++) {
      const row = (n * H + h) * D;
      let highest = -Infinity, sum = 0;
      for (let s = first; s <= n; s++) {
        const score = scale * dot(q, row, k, (s * H + h) * D, D);
        weights[s] = score;
        highest = Math.max(highest, score);
      }
      for (let s = first; s <= n; s++) {
        const weight = Math.exp(get(weights, s) - highest);
        weights[s] = weight;
        sum += weight;
      }
      lse[n * H + h] = highest + Math.log(sum);
      for (let s = first; s <= n; s++) addScaled(y, row, get(weights, s) / sum, v, (s * H + h) * D, D);
    }
  }
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
};
