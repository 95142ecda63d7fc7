// Makes graphs: checks each node against the op table and infers the types of its outputs. Refuses nodes whose inputs
// do not fit, and a name that was declared before with another role, shape or type. Computes no numbers and reorders
// nothing. May import lib/base and the graph only.

import { InternalError } from "../base/errors.ts";
import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import {
  at,
  type Attrs,
  formatType,
  type Graph,
  type Node,
  type Phase,
  type Role,
  type Value,
} from "./node.ts";
import type { OpName } from "./op.ts";
import { OPS } from "./ops.ts";

/** Collects the nodes of one graph. */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  /** Phase given to the nodes made from now on. */
  phase: Phase = "forward";
  #named = new Map<string, Value>();

  /** A tensor the caller fills before the program runs. */
  input(name: string, shape: Shape, dtype: DType): Value {
    return this.#declare("input", name, shape, dtype);
  }

  /** A trained tensor. */
  parameter(name: string, shape: Shape, dtype: DType): Value {
    return this.#declare("parameter", name, shape, dtype);
  }

  /** A tensor that lasts from step to step and is not trained. */
  state(name: string, shape: Shape, dtype: DType): Value {
    return this.#declare("state", name, shape, dtype);
  }

  /** Memory for the time of the program that nodes write in place, part by part; holds anything before that. */
  scratch(name: string, shape: Shape, dtype: DType): Value {
    return this.#declare("scratch", name, shape, dtype);
  }

  /** Adds a node and returns its outputs. */
  apply(op: OpName, inputs: readonly Value[], attrs: Attrs = {}): Value[] {
    const def = OPS[op];
    if (inputs.length !== def.inputs.length) {
      throw new InternalError(
        `${op} takes ${def.inputs.length} inputs (${def.inputs.join(", ")}), got ${inputs.length}`,
      );
    }
    const types = this.#infer(op, inputs, attrs);
    const outputs = types.map((type, i): Value => ({
      role: "computed",
      name: at(def.outputs, i),
      shape: type.shape,
      dtype: type.dtype,
    }));
    this.nodes.push({ op, inputs, outputs, attrs, phase: this.phase });
    return outputs;
  }

  /** Adds a node whose first output is the only one of interest. */
  one(op: OpName, inputs: readonly Value[], attrs: Attrs = {}): Value {
    return at(this.apply(op, inputs, attrs), 0);
  }

  /** Puts another op in the place of a node: it makes the same values, which must be of the types it gives. */
  replace(node: Node, op: OpName, inputs: readonly Value[], attrs: Attrs): void {
    const index = this.nodes.indexOf(node);
    const types = this.#infer(op, inputs, attrs);
    if (index < 0 || types.map(formatType).join() !== node.outputs.map(formatType).join()) {
      throw new InternalError(`${op} cannot take the place of ${node.op}: it makes ${types.map(formatType)}`);
    }
    this.nodes[index] = { ...node, op, inputs, attrs };
  }

  /** The finished graph. */
  build(name: string, outputs: Record<string, Value>): Graph {
    return { name, nodes: [...this.nodes], outputs };
  }

  #declare(role: Role, name: string, shape: Shape, dtype: DType): Value {
    const known = this.#named.get(name);
    if (known) {
      if (known.role !== role || formatType(known) !== formatType({ shape, dtype })) {
        throw new InternalError(`${name} was declared as ${known.role} ${formatType(known)} before`);
      }
      return known;
    }
    const value: Value = { role, name, shape, dtype };
    this.#named.set(name, value);
    return value;
  }

  #infer(op: OpName, inputs: readonly Value[], attrs: Attrs) {
    try {
      return OPS[op].infer(inputs, attrs);
    } catch (error) {
      const got = inputs.map((v) => `${v.name} ${formatType(v)}`).join(", ");
      throw new InternalError(
        `${op}(${got}) ${JSON.stringify(attrs)}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}
