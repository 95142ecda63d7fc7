// Where the collectives of several ranks stand in a program: sums of gradients soon after these are complete, so that they
// go on beside the rest of the backward pass, the others around the update. Orders and encodes; who exchanges what is decided
// by the optimisers. May import lib/base, the graph and lib/plan.

import { InternalError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import { type Collective, collectiveCall, type Exchange, WAIT_SYMBOL } from "../graph/collectives.ts";
import { formatType, type TensorType } from "../graph/node.ts";
import { type CollectiveStep, type Lasting, tensorBytes } from "./plan.ts";

/** A kernel's step that has no place yet, or a collective; undefined is the wait for all collectives. */
export type LaidStep<Kernel> =
  | Kernel
  | { readonly kind: "collective"; readonly collective: Collective | undefined };

/** What is looked at of a kernel's step: the tensors that it reads or writes. */
interface Kernel {
  readonly kind: "kernel";
  readonly tensors: readonly ({ readonly name: string } & TensorType | object)[];
}

/** Bytes of gradients that are worth an exchange: PyTorch's DistributedDataParallel has buckets of 25 MiB. */
const BUCKET_BYTES = 25 << 20;

const laid = (collective?: Collective) => ({ kind: "collective" as const, collective });

/** The steps with the sums of gradients, each in a bucket behind the last step that has its tensor. */
export function sumAsTheyCome<K extends Kernel>(
  steps: readonly K[],
  sums: readonly Collective[],
): readonly LaidStep<K>[] {
  const last = new Map<string, { index: number; bytes: number }>();
  steps.forEach((step, index) => {
    for (const tensor of step.tensors) {
      if ("name" in tensor) last.set(tensor.name, { index, bytes: tensorBytes(tensor) });
    }
  });
  const ready = sums.map((collective) => {
    const found = last.get(collective.tensor);
    if (!found) throw new InternalError(`${collective.tensor} is summed over the ranks, but not made`);
    return { collective, ...found };
  }).sort((a, b) => a.index - b.index);
  const result: LaidStep<K>[] = [];
  let bucket: LaidStep<K>[] = [], bytes = 0;
  steps.forEach((step, index) => {
    result.push(step);
    for (const sum of ready.filter((sum) => sum.index === index)) {
      bucket.push(laid(sum.collective));
      bytes += sum.bytes;
    }
    if (bytes < BUCKET_BYTES && index < steps.length - 1) return;
    result.push(...bucket);
    [bucket, bytes] = [[], 0];
  });
  return result;
}

/** The update's steps between waits for what has been exchanged. */
export function aroundUpdate<K>(steps: readonly K[], exchange: Exchange | undefined): readonly LaidStep<K>[] {
  if (!exchange) return steps;
  const [before, after] = [exchange.before, exchange.after].map((all) => all.map(laid));
  return [...before ?? [], laid(), ...steps, ...after ?? [], laid()];
}

/** The call of a collective over a lasting tensor, or the wait. */
export function collectiveStep(
  collective: Collective | undefined,
  lasting: ReadonlyMap<string, Lasting>,
): CollectiveStep {
  const common = { kind: "collective", phase: "update", flops: 0 } as const;
  if (!collective) return { ...common, symbol: WAIT_SYMBOL, tensors: [], args: [], bytes: 0 };
  const tensor = lasting.get(collective.tensor);
  if (tensor?.dtype !== "f32") {
    const found = tensor ? formatType(tensor) : "no lasting tensor";
    throw new InternalError(`Ranks exchange float32 tensors, ${collective.tensor} is ${found}`);
  }
  const { symbol, args } = collectiveCall(collective, elementCount(tensor.shape));
  return { ...common, symbol, tensors: [tensor], args, bytes: tensorBytes(tensor) };
}
