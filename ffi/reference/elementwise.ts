// Reference kernels, elementwise ops: the formulas of kernels/abi.h, one loop each (a shared loop that takes the
// formula as a function is several times slower). Fuses nothing, rounds nothing to a narrower type and checks no
// sizes: the op table made them. May import only views.ts, its neighbour.

import { arg, get, reals, type ReferenceKernel } from "./views.ts";

const cast: ReferenceKernel = (t) => reals(t, 0).set(reals(t, 1));

export const ELEMENTWISE_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_fill: (t, a) => reals(t, 0).fill(arg(a, 2)),
  nanogpt_cast: cast,
  nanogpt_add(t) {
    const [y, a, b] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    for (let i = 0; i < y.length; i++) y[i] = get(a, i) + get(b, i);
  },
  nanogpt_axpby(t, args) {
    const [y, a, b] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    const [alpha, beta] = [arg(args, 2), arg(args, 3)];
    for (let i = 0; i < y.length; i++) y[i] = alpha * get(a, i) + beta * get(b, i);
  },
  nanogpt_affine(t, args) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    const [alpha, beta] = [arg(args, 2), arg(args, 3)];
    for (let i = 0; i < y.length; i++) y[i] = alpha * get(x, i) + beta;
  },
  nanogpt_scale(t, args) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    const factor = get(reals(t, 2), arg(args, 2));
    for (let i = 0; i < y.length; i++) y[i] = factor * get(x, i);
  },
  nanogpt_scale_grad(t, args) {
    const [ds, dy, x] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += get(dy, i) * get(x, i);
    ds.fill(0);
    ds[arg(args, 2)] = sum;
  },
  nanogpt_relu_squared(t) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    for (let i = 0; i < y.length; i++) y[i] = Math.max(get(x, i), 0) ** 2;
  },
  nanogpt_relu_squared_grad(t) {
    const [dx, y, dy] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    for (let i = 0; i < dx.length; i++) dx[i] = 2 * Math.sqrt(get(y, i)) * get(dy, i);
  },
  nanogpt_softcap(t, args) {
    const [y, x] = [reals(t, 0), reals(t, 1)];
    const cap = arg(args, 2);
    for (let i = 0; i < y.length; i++) y[i] = cap * Math.tanh(get(x, i) / cap);
  },
  nanogpt_softcap_grad(t, args) {
    const [dx, x, dy] = [reals(t, 0), reals(t, 1), reals(t, 2)];
    const cap = arg(args, 2);
    for (let i = 0; i < dx.length; i++) dx[i] = (1 - Math.tanh(get(x, i) / cap) ** 2) * get(dy, i);
  },
  nanogpt_mean(t) {
    const x = reals(t, 1);
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += get(x, i);
    reals(t, 0)[0] = sum / x.length;
  },
  nanogpt_broadcast: (t, args) => reals(t, 0).fill(arg(args, 1) * get(reals(t, 1), 0)),
};
