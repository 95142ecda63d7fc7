// The graph: plain data. A node has an op, input values, attributes and output values with shape and type; nothing
// here holds numbers or knows a device. Two values are the same only if they are the same object; names are for
// people, and for the memory that programs share. May import lib/base, and the list of op names.

import { InternalError } from "../base/errors.ts";
import type { DType } from "../base/dtype.ts";
import { formatShape, type Shape } from "../base/shape.ts";
import type { OpName } from "./op.ts";

/** Shape and element type of a tensor. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * How a value comes to be: fed by the caller (`input`), a trained `parameter`, optimiser or run `state` that lasts
 * from step to step, `scratch` that nodes write in place, part by part, and that nobody needs once the program has run,
 * or `computed` by a node.
 */
export type Role = "input" | "parameter" | "state" | "scratch" | "computed";

/** One tensor of a graph. Names of inputs, parameters and states are the keys by which programs share memory. */
export interface Value extends TensorType {
  readonly role: Role;
  readonly name: string;
}

/** Attributes: numbers (flags are 0 or 1) and short words such as a type's name. */
export type Attrs = Readonly<Record<string, number | string>>;

/** One operation. `phase` tells forward from backward, for recomputation and for reports. */
export interface Node {
  readonly op: OpName;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: Attrs;
  readonly phase: Phase;
}

/** Part of a program a node belongs to. */
export type Phase = "forward" | "backward" | "update";

/** A program before planning: nodes in an order that respects their inputs, and the named results. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** The numeric attribute `key`. */
export function numberAttr(attrs: Attrs, key: string): number {
  const value = attrs[key];
  if (typeof value !== "number") throw new InternalError(`Attribute ${key} is ${value}, expected a number`);
  return value;
}

/** The attribute `key` that names an element type. */
export function dtypeAttr(attrs: Attrs, key: string): DType {
  const value = attrs[key];
  if (value === "f64" || value === "f32" || value === "bf16" || value === "i32") return value;
  throw new InternalError(`Attribute ${key} is ${value}, expected an element type`);
}

/** The element at `index` of a list that must have it. */
export function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new InternalError(`Index ${index} of a list of ${list.length}`);
  return item;
}

/** "bf16[4096x768]". */
export function formatType(type: TensorType): string {
  return `${type.dtype}[${formatShape(type.shape)}]`;
}
