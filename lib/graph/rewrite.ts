// Rewriting of finished graphs: equal values put in place of others, dead nodes dropped, order restored, fused ops
// expanded. Every function returns a new graph and changes none. Refuses a cycle, and an op that the device lacks and
// that has no expansion. May import the graph and lib/base only.

import { InternalError } from "../base/errors.ts";
import { GraphBuilder } from "./builder.ts";
import { at, type Graph, type Node, type Value } from "./node.ts";
import type { OpName } from "./op.ts";
import { OPS } from "./ops.ts";

/** The graph with every use of a key of `replaced` turned into a use of its value, in an order that works again. */
export function replaceValues(graph: Graph, replaced: ReadonlyMap<Value, Value>): Graph {
  const swap = (value: Value) => replaced.get(value) ?? value;
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(swap) }));
  const outputs = Object.fromEntries(
    Object.entries(graph.outputs).map(([name, value]) => [name, swap(value)]),
  );
  return { ...graph, nodes: ordered(nodes), outputs };
}

/** The graph without the nodes on which no output depends. A node that writes a state in place is always kept. */
export function dropDead(graph: Graph): Graph {
  const needed = new Set(Object.values(graph.outputs));
  const nodes = [...graph.nodes].reverse().filter((node) => {
    const keep = OPS[node.op].inPlace !== undefined || node.outputs.some((output) => needed.has(output));
    if (keep) node.inputs.forEach((input) => needed.add(input));
    return keep;
  });
  return { ...graph, nodes: nodes.reverse() };
}

/**
 * The graph with each op that `lacking` names, and each that no device has a kernel for, expanded into plain ops, again and
 * again until none is left.
 */
export function expandOps(graph: Graph, lacking: (op: OpName) => boolean): Graph {
  const lacks = (op: OpName) => OPS[op].symbol === null || lacking(op);
  if (!graph.nodes.some((node) => lacks(node.op))) return graph;
  const b = new GraphBuilder();
  const made = new Map<Value, Value>();
  const moved = (value: Value): Value => {
    const known = made.get(value);
    if (known) return known;
    if (value.role === "computed") throw new InternalError(`${value.name} is used before it is made`);
    const { name, shape, dtype } = value;
    const copy = b[value.role](name, shape, dtype);
    made.set(value, copy);
    return copy;
  };
  for (const node of graph.nodes) {
    b.phase = node.phase;
    const inputs = node.inputs.map(moved);
    const { expand } = OPS[node.op];
    if (lacks(node.op) && !expand) {
      throw new InternalError(
        `This device has no kernel for ${node.op}, and the op has no expansion into plain ops`,
      );
    }
    const outputs = lacks(node.op) && expand
      ? expand(b, inputs, node.attrs)
      : b.apply(node.op, inputs, node.attrs);
    node.outputs.forEach((output, i) => made.set(output, at(outputs, i)));
  }
  const outputs = Object.fromEntries(
    Object.entries(graph.outputs).map(([name, value]) => [name, moved(value)]),
  );
  return expandOps(dropDead(b.build(graph.name, outputs)), lacking);
}

/** The nodes in their own order as far as possible, each after the nodes that make its inputs. */
function ordered(nodes: readonly Node[]): Node[] {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const state = new Map<Node, "open" | "done">();
  const result: Node[] = [];
  const emit = (node: Node) => {
    if (state.get(node) === "done") return;
    if (state.get(node) === "open") throw new InternalError(`The graph has a cycle through ${node.op}`);
    state.set(node, "open");
    for (const input of node.inputs) {
      const maker = makers.get(input);
      if (maker) emit(maker);
    }
    state.set(node, "done");
    result.push(node);
  };
  nodes.forEach(emit);
  return result;
}
