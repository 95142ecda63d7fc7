// Graphs as text, one line a node, stable from run to run: for people and for snapshot tests. Names computed values
// by their order of appearance, never by anything that a rebuilt graph would change. There is no way back from the
// text. May import the graph's types only.

import { formatType, type Graph, type Value } from "./node.ts";

/** The graph, one line a node: `%3 bf16[77x48] = rmsNorm(%2) width=48 eps=0.0078125`. */
export function formatGraph(graph: Graph): string {
  const numbers = new Map<Value, string>();
  const nameOf = (value: Value) => {
    if (value.role !== "computed") return value.name;
    const known = numbers.get(value);
    if (known) return known;
    const name = `%${numbers.size}`;
    numbers.set(value, name);
    return name;
  };
  const lines = graph.nodes.map((node) => {
    const inputs = node.inputs.map(nameOf).join(", ");
    const outputs = node.outputs.map((output) => `${nameOf(output)} ${formatType(output)}`).join(", ");
    const attrs = Object.entries(node.attrs).map(([key, value]) => ` ${key}=${value}`).join("");
    return `  ${outputs} = ${node.op}(${inputs})${attrs}`;
  });
  const results = Object.entries(graph.outputs).map(([name, value]) => `  ${name} = ${nameOf(value)}`);
  return [`${graph.name}:`, ...lines, "returns", ...results].join("\n") + "\n";
}
