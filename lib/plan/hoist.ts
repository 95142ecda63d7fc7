// Takes out of a program what does not change within it: constants, made once before step 0, and what depends on
// parameters only, made once a step. Such values are named by the expression that makes them, so that programs
// share them. Imports the graph only.

import { type Graph, type Node, type Value } from "../graph/node.ts";

/** A program's nodes by how often they must run. */
export interface Hoisted {
  /** Depend on nothing: once. */
  readonly constants: readonly Node[];
  /** Depend on parameters and constants: after each update. */
  readonly refreshed: readonly Node[];
  /** The program itself. */
  readonly graph: Graph;
  /** Expression of each value that was taken out. */
  readonly names: ReadonlyMap<Value, string>;
}

/** Splits a graph; the update graph, which changes parameters, must not be given. */
export function hoist(graph: Graph): Hoisted {
  const names = new Map<Value, string>();
  const constant = new Set<Value>();
  const constants: Node[] = [], refreshed: Node[] = [], rest: Node[] = [];
  for (const node of graph.nodes) {
    if (!node.inputs.every((input) => input.role === "parameter" || names.has(input))) {
      rest.push(node);
      continue;
    }
    const isConstant = node.inputs.every((input) => constant.has(input));
    (isConstant ? constants : refreshed).push(node);
    const inputs = node.inputs.map((input) => names.get(input) ?? input.name).join(", ");
    const attrs = Object.entries(node.attrs).map(([key, value]) => ` ${key}=${value}`).join("");
    node.outputs.forEach((output, i) => {
      names.set(output, `${node.op}(${inputs})${attrs}${i > 0 ? `#${i}` : ""}`);
      if (isConstant) constant.add(output);
    });
  }
  return { constants, refreshed, graph: { ...graph, nodes: rest }, names };
}
