// Runs a graph on the reference device node by node, each value in memory of its own: no plan, no reuse, float64. Slow
// and plain, so that plans and devices can be judged by it. Ops without a reference kernel run as their expansions.
// Imports lib/base, the graph and the reference device.

import { bytesOf } from "../base/dtype.ts";
import { InternalError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import type { TensorRef } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Attrs, type Graph, type Node, type TensorType, type Value } from "../graph/node.ts";
import type { OpName } from "../graph/op.ts";
import { OPS, symbolOf } from "../graph/ops.ts";
import { expandOps } from "../graph/rewrite.ts";
import { decodeValues, encodeValues } from "./executor.ts";

/** Numbers of a value, row-major. */
export type Numbers = Float64Array;

/** Computes the outputs of a float64 graph by name, given its inputs, parameters and states by name. */
export function interpret(
  graph: Graph,
  feeds: Readonly<Record<string, ArrayLike<number>>>,
): Record<string, Numbers> {
  const plain = expandOps(graph, (op) => OPS[op].expand !== undefined);
  const values = new Map<Value, Numbers>();
  const numbersOf = (value: Value): Numbers => {
    const known = values.get(value);
    if (known) return known;
    const feed = value.role === "scratch"
      ? new Float64Array(elementCount(value.shape)).fill(NaN)
      : feeds[value.name];
    if (value.role === "computed" || feed === undefined || feed.length !== elementCount(value.shape)) {
      throw new InternalError(
        `${value.name} was fed ${feed?.length ?? "no"} numbers, expected ${value.shape}`,
      );
    }
    const numbers = Float64Array.from(feed);
    values.set(value, numbers);
    return numbers;
  };
  const device = new ReferenceDevice();
  for (const node of plain.nodes) {
    const outputs = runNode(device, node, node.inputs.map(numbersOf));
    node.outputs.forEach((output, i) => values.set(output, at(outputs, i)));
  }
  return Object.fromEntries(
    Object.entries(plain.outputs).map(([name, value]) => [name, numbersOf(value)]),
  );
}

/**
 * Outputs of one op in float64, from its inputs; the attribute `dtype` is taken for float64 whatever it says. A batch
 * is what its members are one by one.
 */
export function interpretOp(
  op: OpName,
  attrs: Attrs,
  inputs: readonly TensorType[],
  numbers: readonly ArrayLike<number>[],
): Numbers[] {
  const [members = 1, ...shape] = inputs[0]?.shape ?? [];
  if (OPS[op].batched && shape.length === 2) {
    const types = inputs.map((type) => ({ ...type, shape }));
    const made = Array.from({ length: members }, (_, i) => {
      const ofMember = numbers.map((values) => memberOf(values, i, members));
      return interpretOp(op, attrs, types, ofMember);
    });
    return at(made, 0).map((_, o) => Float64Array.from(made.flatMap((outputs) => [...at(outputs, o)])));
  }
  const b = new GraphBuilder();
  const fed = inputs.map(({ shape, dtype }, i) => b.input(`in.${i}`, shape, dtype === "i32" ? "i32" : "f64"));
  const words = Object.entries(attrs).map(([key, value]) => [key, key === "dtype" ? "f64" : value]);
  const made = b.apply(op, fed, Object.fromEntries(words));
  const graph = b.build(op, Object.fromEntries(made.map((value, i) => [`out.${i}`, value])));
  const feeds = Object.fromEntries(numbers.map((values, i) => [`in.${i}`, values]));
  const outputs = interpret(graph, feeds);
  return made.map((_, i) => outputs[`out.${i}`] ?? new Float64Array());
}

/** Member `i` of a batch of `members`. */
function memberOf(values: ArrayLike<number>, i: number, members: number): Numbers {
  const count = values.length / members;
  return Float64Array.from(values).subarray(i * count, (i + 1) * count);
}

/** Runs one node in memory of its own; what it does in place is done to a copy. */
function runNode(device: ReferenceDevice, node: Node, inputs: readonly Numbers[]): Numbers[] {
  const def = OPS[node.op];
  const aliases = new Map(
    Object.entries(def.inPlace ?? {}).map(([output, input]) => [Number(output), input]),
  );
  const aliased = new Set(aliases.values());
  const tensors: { ref: TensorRef; from: Numbers | undefined }[] = [];
  let bytes = 0;
  const add = (type: TensorType, from: Numbers | undefined) => {
    const ref = { offset: bytes, count: elementCount(type.shape), dtype: type.dtype };
    bytes += 8 * ref.count;
    tensors.push({ ref, from });
  };
  node.outputs.forEach((output, i) => {
    const alias = aliases.get(i);
    add(output, alias === undefined ? undefined : inputs[alias]);
  });
  node.inputs.forEach((input, i) => {
    if (!aliased.has(i)) add(input, inputs[i]);
  });
  const memory = device.allocate(bytes);
  for (const { ref, from } of tensors) if (from) memory.upload(ref.offset, encodeValues(ref, from));
  device.bind(symbolOf(node.op), memory, tensors.map(({ ref }) => ref), def.args(node))();
  return node.outputs.map((_, i) => {
    const { ref } = at(tensors, i);
    const found = new Uint8Array(ref.count * bytesOf(ref.dtype));
    memory.download(ref.offset, found);
    return decodeValues(ref, found);
  });
}
