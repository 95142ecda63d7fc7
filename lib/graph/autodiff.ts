// Reverse-mode differentiation. Reads only the op table: walks the nodes backwards and asks each row for its rule.
// Refuses to pass through an op whose row says "none", and a rule whose gradient has another shape or type than its
// value. Knows no op by name but the sum, which it leaves to the op that makes a summand where the row names one that can.
// May import the graph and lib/base only.

import { InternalError } from "../base/errors.ts";
import type { GraphBuilder } from "./builder.ts";
import { formatType, type Node, type Value } from "./node.ts";
import type { InputGradients } from "./op.ts";
import { OPS } from "./ops.ts";

/** Gradients by value, and the values that gradient kernels make anew in place of forward results. */
export interface Derivatives {
  readonly gradients: ReadonlyMap<Value, Value>;
  /** Forward value -> the equal value that the backward pass makes; use it instead, and the forward node is dead. */
  readonly replaced: ReadonlyMap<Value, Value>;
}

/**
 * Adds to `b` the nodes that carry `seeds` (gradients of some values) back to `wanted`, through the nodes made from
 * index `first` on. The gradient of a value has the value's shape and type; contributions are added in the order
 * met. Values in `wanted` that the seeds do not depend on are absent from the result.
 */
export function differentiate(
  b: GraphBuilder,
  first: number,
  seeds: ReadonlyMap<Value, Value>,
  wanted: readonly Value[],
): Derivatives {
  const gradients = new Map(seeds);
  const replaced = new Map<Value, Value>();
  const nodes = b.nodes.slice(first);
  const active = dependents(nodes, wanted);
  for (const node of nodes.reverse()) {
    if (!node.outputs.some((output) => active.has(output) && gradients.has(output))) continue;
    const rule = OPS[node.op].gradient;
    if (rule === "none") {
      throw new InternalError(`A gradient reached ${node.op}, whose row says that it has none`);
    }
    const before = b.nodes.length;
    const found = rule(b, node, node.outputs.map((output) => gradients.get(output) ?? null));
    found.replaces?.forEach((value, i) => {
      const output = node.outputs[i];
      if (output) replaced.set(output, value);
    });
    node.inputs.forEach((input, i) => {
      const gradient = found.inputs[i];
      if (!gradient || !active.has(input)) return;
      checkType(node, input, gradient);
      const sum = gradients.get(input);
      gradients.set(input, sum ? addTo(b, sum, gradient, found, before) : gradient);
    });
  }
  return { gradients, replaced };
}

/** `wanted` and every value computed from them. */
function dependents(nodes: readonly Node[], wanted: readonly Value[]): Set<Value> {
  const active = new Set(wanted);
  for (const node of nodes) {
    if (node.inputs.some((input) => active.has(input))) node.outputs.forEach((output) => active.add(output));
  }
  return active;
}

function checkType(node: Node, input: Value, gradient: Value): void {
  if (formatType(input) !== formatType(gradient)) {
    throw new InternalError(
      `The gradient rule of ${node.op} gives ${formatType(gradient)} for ${input.name} ${formatType(input)}`,
    );
  }
}

/**
 * sum + gradient, one of those `found`. Where the node that makes the gradient is new (from index `before` on) and of an
 * op whose row names one that adds, that one takes the node's place, and the gradient's own value is the sum; not
 * where anything else needs the gradient alone, nor where the sum is not there yet.
 */
function addTo(
  b: GraphBuilder,
  sum: Value,
  gradient: Value,
  found: InputGradients,
  before: number,
): Value {
  const made = b.nodes.slice(before);
  const maker = made.find((node) => node.outputs.includes(gradient));
  const plus = maker && OPS[maker.op].plus?.(maker.outputs.indexOf(gradient), maker.attrs);
  const alone = made.some(({ inputs }) => inputs.includes(gradient)) ||
    found.inputs.filter((other) => other === gradient).length > 1;
  const late = maker && made.slice(made.indexOf(maker)).some(({ outputs }) => outputs.includes(sum));
  if (!maker || !plus || alone || late) return b.one("add", [sum, gradient]);
  b.replace(maker, plus.op, [...maker.inputs, sum], plus.attrs);
  return gradient;
}
