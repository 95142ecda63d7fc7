// Reference kernels of the guard and the optimisers. Scalar slots: rate, momentum, Adam's two bias corrections, and
// whether a guard has halted the updates (kernels/abi.h). They update their tensors in place, as the ABI's do.
// Newton-Schulz has no kernel here: plans expand it into products. May import only views.ts, its neighbour.

import { arg, get, reals, type ReferenceKernel } from "./views.ts";

const RATE = 0, MOMENTUM = 1, BIAS1 = 2, BIAS2 = 3, HALT = 4;

function countNonFinite(g: Float64Array): number {
  let count = 0;
  for (let i = 0; i < g.length; i++) if (!Number.isFinite(get(g, i))) count++;
  return count;
}

const adam: ReferenceKernel = (t, args) => {
  const [count, first, index] = [arg(args, 0), arg(args, 1), arg(args, 2)];
  const [lr, beta1, beta2, eps] = [arg(args, 3), arg(args, 4), arg(args, 5), arg(args, 6)];
  const part = (i: number) => reals(t, i).subarray(first, first + count);
  const [p, m, v, flags, g, scalars] = [part(0), reals(t, 1), reals(t, 2), reals(t, 3), part(4), reals(t, 5)];
  if (get(scalars, HALT) !== 0) return;
  const [rate, bias1, bias2] = [get(scalars, RATE), get(scalars, BIAS1), get(scalars, BIAS2)];
  for (let i = 0; i < p.length; i++) {
    m[i] = beta1 * get(m, i) + (1 - beta1) * get(g, i);
    v[i] = beta2 * get(v, i) + (1 - beta2) * get(g, i) ** 2;
    const step = get(m, i) * bias1 / (Math.sqrt(get(v, i) * bias2) + eps);
    p[i] = get(p, i) - lr * rate * step;
  }
  flags[index] = countNonFinite(g);
};

/** Slot `slot` of a batch of tensors of `count` elements. */
function slotOf(batch: Float64Array, slot: number, count: number): Float64Array {
  return batch.subarray(slot * count, (slot + 1) * count);
}

const nesterov: ReferenceKernel = (t, args) => {
  const [m, flags, g, scalars] = [reals(t, 0), reals(t, 2), reals(t, 3), reals(t, 4)];
  if (get(scalars, HALT) !== 0) return;
  const u = slotOf(reals(t, 1), arg(args, 3), m.length);
  const momentum = get(scalars, MOMENTUM);
  for (let i = 0; i < m.length; i++) {
    m[i] = momentum * get(m, i) + get(g, i);
    u[i] = get(g, i) + momentum * get(m, i);
  }
  flags[arg(args, 1)] = countNonFinite(g);
};

export const OPTIMISER_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_guard(t) {
    if (!Number.isFinite(get(reals(t, 1), 0))) reals(t, 0)[HALT] = 1;
  },
  nanogpt_adam: adam,
  nanogpt_nesterov: nesterov,
  nanogpt_frobenius_normalise(t, args) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += get(x, i) ** 2;
    const norm = Math.sqrt(sum) + arg(args, 3);
    for (let i = 0; i < x.length; i++) y[i] = get(x, i) / norm;
  },
  nanogpt_apply_update(t, args) {
    const [p, scalars] = [reals(t, 0), reals(t, 2)];
    if (get(scalars, HALT) !== 0) return;
    const u = slotOf(reals(t, 1), arg(args, 2), p.length);
    const factor = arg(args, 3) * get(scalars, RATE);
    for (let i = 0; i < p.length; i++) p[i] = get(p, i) - factor * get(u, i);
  },
};
