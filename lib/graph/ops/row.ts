// Helpers that the op table's rows share: checks of input types, element counts, type codes, the gradient that
// reaches an op, and the expansion of a fused gradient by differentiating its forward expansion. Holds no row and
// knows no op by name. May import lib/base and the graph's types, builder and differentiation; not ops.ts, which
// imports the rows.

import { dtypeCode } from "../../base/dtype.ts";
import { InternalError } from "../../base/errors.ts";
import { elementCount, formatShape, sameShape, type Shape } from "../../base/shape.ts";
import type { GraphBuilder } from "../builder.ts";
import { differentiate } from "../autodiff.ts";
import { at, formatType, type TensorType, type Value } from "../node.ts";
import { FORMS, type OpDef, type OpName, type Signature } from "../op.ts";

/** Throws `message` unless `condition`; the builder adds op and inputs. */
export function expect(condition: boolean, message: string): void {
  if (!condition) throw new RangeError(message);
}

/** The single output of an elementwise op: that of its first input, which the others must equal. */
export function sameAsFirst(inputs: readonly TensorType[], count = inputs.length): TensorType[] {
  const first = at(inputs, 0);
  for (const other of inputs.slice(1, count)) {
    expect(
      sameShape(first.shape, other.shape) && first.dtype === other.dtype,
      `expected ${formatType(first)}, found ${formatType(other)}`,
    );
  }
  return [{ shape: first.shape, dtype: first.dtype }];
}

/** Elements of the i-th input. */
export function inputCount(s: Signature, i = 0): number {
  return elementCount(at(s.inputs, i).shape);
}

/** Elements of the i-th output. */
export function outputCount(s: Signature, i = 0): number {
  return elementCount(at(s.outputs, i).shape);
}

/** The ABI's type code of the i-th input. */
export function inputCode(s: Signature, i = 0): number {
  return dtypeCode(at(s.inputs, i).dtype);
}

/** The ABI's type code of the i-th output. */
export function outputCode(s: Signature, i = 0): number {
  return dtypeCode(at(s.outputs, i).dtype);
}

/** The code of the kernel form that the plan has chosen; the simple one's where it has chosen none. */
export function formOf(s: Signature): number {
  const { form = "simple" } = s.attrs;
  const code = FORMS.findIndex((name) => name === form);
  if (code < 0) throw new InternalError(`Attribute form is ${form}, expected one of ${FORMS.join(", ")}`);
  return code;
}

/** The gradient that arrives at an op's one output. */
export function only(dOutputs: readonly (Value | null)[]): Value {
  const d = dOutputs[0];
  if (!d) throw new RangeError("the gradient of the first output is missing");
  return d;
}

/** Rows and columns of a matrix shape. */
export function matrix(shape: Shape): [number, number] {
  const [rows, columns, more] = shape;
  if (rows === undefined || columns === undefined || more !== undefined) {
    throw new RangeError(`expected a matrix, found shape ${formatShape(shape)}`);
  }
  return [rows, columns];
}

/** Rows and columns of the i-th input. */
export function inputMatrix(s: Signature, i: number): [number, number] {
  return matrix(at(s.inputs, i).shape);
}

/**
 * The expansion of a fused gradient op: expand the forward op, differentiate the expansion, return the gradients of
 * its inputs in order. `dOutput` is the gradient that arrives at the forward op's first output.
 */
export function expandGradient(
  b: GraphBuilder,
  forward: OpDef & { expand: NonNullable<OpDef["expand"]> },
  inputs: readonly Value[],
  attrs: Readonly<Record<string, number | string>>,
  dOutput: Value,
): { outputs: Value[]; gradients: (Value | null)[] } {
  const first = b.nodes.length;
  // Stand-ins, so that an op given the same value twice still gets a gradient for each of its inputs.
  const standIns = inputs.map((input): Value => ({ ...input }));
  const outputs = forward.expand(b, standIns, attrs);
  const found = differentiate(b, first, new Map([[at(outputs, 0), dOutput]]), standIns);
  const originals = new Map(standIns.map((standIn, i) => [standIn, at(inputs, i)]));
  b.nodes.splice(
    first,
    Infinity,
    ...b.nodes.slice(first).map((node) => ({
      ...node,
      inputs: node.inputs.map((input) => originals.get(input) ?? input),
    })),
  );
  return { outputs, gradients: standIns.map((standIn) => found.gradients.get(standIn) ?? null) };
}

/** Rows keyed by some of the op names. */
export type Rows<K extends OpName> = Readonly<Record<K, OpDef>>;
