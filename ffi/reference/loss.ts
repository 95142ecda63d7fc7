// Reference kernels of the loss: cross-entropy of whole rows of logits and its gradient, with the row's highest logit
// taken off before the exponentials. The fused head has no kernel here: plans expand it. Does not check that a target
// is below the row's length. May import only views.ts, its neighbour.

import { arg, get, reals, type ReferenceKernel, wholes } from "./views.ts";

/** Log of the sum of exponentials of a row. */
function logSumExp(row: Float64Array): number {
  let highest = -Infinity, sum = 0;
  for (let v = 0; v < row.length; v++) highest = Math.max(highest, get(row, v));
  for (let v = 0; v < row.length; v++) sum += Math.exp(get(row, v) - highest);
  return highest + Math.log(sum);
}

export const LOSS_KERNELS: Readonly<Record<string, ReferenceKernel>> = {
  nanogpt_cross_entropy(t, args) {
    const [losses, logits, targets] = [reals(t, 0), reals(t, 1), wholes(t, 2)];
    const V = arg(args, 1);
    targets.forEach((target, n) => {
      losses[n] = logSumExp(logits.subarray(n * V, (n + 1) * V)) - get(logits, n * V + target);
    });
  },
  nanogpt_cross_entropy_grad(t, args) {
    const [dLogits, logits, targets, dLosses] = [reals(t, 0), reals(t, 1), wholes(t, 2), reals(t, 3)];
    const V = arg(args, 1);
    targets.forEach((target, n) => {
      const lse = logSumExp(logits.subarray(n * V, (n + 1) * V));
      for (let v = 0; v < V; v++) {
        const p = Math.exp(get(logits, n * V + v) - lse);
        dLogits[n * V + v] = get(dLosses, n) * (v === target ? p - 1 : p);
      }
    });
  },
};
