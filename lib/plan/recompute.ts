// Recomputation: a forward value that is cheap to make and needed again by the backward pass is made again there, if
// what it is made from is kept anyway. Trades a pass over memory for the memory. Never recomputes a product or
// attention, nor the forward pass itself. May import the graph only.

import { GraphBuilder } from "../graph/builder.ts";
import { type Graph, type Node, type Value } from "../graph/node.ts";
import { OPS } from "../graph/ops.ts";
import { dropDead } from "../graph/rewrite.ts";

/** The graph with cheap forward values cloned into the backward pass; `lasting` are values that outlive the program. */
export function recomputeCheap(graph: Graph, lasting: ReadonlySet<Value>): Graph {
  const makers = new Map(
    graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)),
  );
  const backward = graph.nodes.filter((node) => node.phase === "backward");
  const usedBackward = new Set(backward.flatMap((node) => node.inputs));
  const known = new Map<Value, boolean>();
  const cheap = (value: Value): boolean => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const maker = makers.get(value);
    const result = maker !== undefined && maker.phase === "forward" && OPS[maker.op].recompute === true &&
      maker.inputs.every((i) => i.role !== "computed" || lasting.has(i) || usedBackward.has(i) || cheap(i));
    known.set(value, result);
    return result;
  };
  const b = new GraphBuilder();
  b.phase = "backward";
  const clones = new Map<Value, Value>();
  const nodes: Node[] = [];
  const again = (value: Value): Value => {
    const maker = makers.get(value);
    if (!maker || lasting.has(value) || !cheap(value)) return value;
    const done = clones.get(value);
    if (done) return done;
    const clone = b.apply(maker.op, maker.inputs.map(again), maker.attrs);
    nodes.push(...b.nodes.splice(0));
    maker.outputs.forEach((output, i) => clones.set(output, clone[i] ?? output));
    return clones.get(value) ?? value;
  };
  for (const node of graph.nodes) {
    nodes.push(node.phase === "backward" ? { ...node, inputs: node.inputs.map(again) } : node);
  }
  return dropDead({ ...graph, nodes });
}
