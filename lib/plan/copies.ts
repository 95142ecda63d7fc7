// Working copies: a float32 parameter that meets bf16 activations in a matrix product is multiplied as its bf16
// rounding. The copy is a `cast` of the parameter, which hoist.ts then makes once a step. Touches no other operand
// and never the parameter itself. May import the graph only.

import { GraphBuilder } from "../graph/builder.ts";
import { at, type Graph, type Node, type Value } from "../graph/node.ts";
import { OPS } from "../graph/ops.ts";

/** The graph with a cast before every product that has a float32 parameter and a bf16 operand. */
export function insertWorkingCopies(graph: Graph): Graph {
  const b = new GraphBuilder();
  const copies = new Map<Value, Value>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const operands = (OPS[node.op].operands ?? []).map((i) => at(node.inputs, i));
    const narrow = operands.some((operand) => operand.dtype === "bf16");
    const inputs = node.inputs.map((input) => {
      if (!narrow || !operands.includes(input) || input.role !== "parameter" || input.dtype !== "f32") {
        return input;
      }
      const copy = copies.get(input) ?? b.one("cast", [input], { dtype: "bf16" });
      copies.set(input, copy);
      return copy;
    });
    nodes.push(...b.nodes.splice(0), { ...node, inputs });
  }
  return { ...graph, nodes };
}
