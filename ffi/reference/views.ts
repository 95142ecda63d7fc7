// Typed views of the reference device's memory, and the shape of its kernels. Refuses a tensor of another type than
// the kernel wants, a missing tensor or argument and an index outside: each is a bug, not a user's mistake. Knows no
// kernel. May import lib/base only.

import { InternalError } from "../../lib/base/errors.ts";

/** A tensor of the reference device: every real number is a float64, every token or row number an int32. */
export type View = Float64Array | Int32Array;

/** A kernel: tensors in the ABI's order (outputs, inputs, workspace), then the ABI's sizes and scalars. */
export type ReferenceKernel = (tensors: readonly View[], args: readonly number[]) => void;

/** The i-th tensor, which must hold real numbers. */
export function reals(tensors: readonly View[], i: number): Float64Array {
  const view = tensors[i];
  if (view instanceof Float64Array) return view;
  throw new InternalError(
    `Tensor ${i} of a reference kernel is ${view ? "int32" : "missing"}, expected float64`,
  );
}

/** The i-th tensor, which must hold whole numbers. */
export function wholes(tensors: readonly View[], i: number): Int32Array {
  const view = tensors[i];
  if (view instanceof Int32Array) return view;
  throw new InternalError(
    `Tensor ${i} of a reference kernel is ${view ? "float64" : "missing"}, expected int32`,
  );
}

/** The i-th size or scalar. */
export function arg(args: readonly number[], i: number): number {
  const value = args[i];
  if (value === undefined) throw new InternalError(`Argument ${i} of a reference kernel is missing`);
  return value;
}

/** Element `i`; reading past the end is a bug. */
export function get(view: View, i: number): number {
  const value = view[i];
  if (value === undefined) throw new InternalError(`Element ${i} of a tensor of ${view.length}`);
  return value;
}
