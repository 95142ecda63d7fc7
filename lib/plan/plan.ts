// Plans: for a set of graphs, the flat list of kernel calls of each program with every tensor's place in one arena.
// Plain data that prints (text.ts); made before any device is touched. Knows no model, runs nothing and holds no
// address: places are offsets. May import lib/base and the graph.

import { bytesOf } from "../base/dtype.ts";
import { InternalError } from "../base/errors.ts";
import { elementCount } from "../base/shape.ts";
import { type Graph, type Phase, type TensorType, type Value } from "../graph/node.ts";
import type { FormName, OpName } from "../graph/op.ts";
import { OPS } from "../graph/ops.ts";

/** What a lasting tensor is for. */
export type Kind =
  | "parameter"
  | "gradient"
  | "optimiser"
  | "cache"
  | "copy"
  | "constant"
  | "input"
  | "output";

/** A tensor's place in the arena. */
export interface Place extends TensorType {
  readonly name: string;
  readonly offset: number;
}

/** A tensor that lasts from program to program. */
export interface Lasting extends Place {
  readonly kind: Kind;
}

/** One kernel call: addresses in the ABI's order (outputs, inputs, workspace), then sizes and scalars. */
export interface KernelStep {
  readonly kind: "kernel";
  readonly op: OpName;
  /** Which form of the kernel, where the device has several; it is among the arguments too. */
  readonly form?: FormName;
  readonly phase: Phase;
  readonly symbol: string;
  readonly tensors: readonly Place[];
  readonly args: readonly number[];
  readonly flops: number;
  /** Bytes of all tensors read and written once each. */
  readonly bytes: number;
}

/** What all ranks of a run do together with a float32 tensor that each of them has, in place; or the wait for all that. */
export interface CollectiveStep {
  readonly kind: "collective";
  readonly phase: Phase;
  readonly symbol: string;
  readonly tensors: readonly Place[];
  readonly args: readonly number[];
  readonly flops: 0;
  /** Of the tensor. */
  readonly bytes: number;
}

/** A plan step. */
export type Step = KernelStep | CollectiveStep;

/** The kernel calls among steps. */
export function kernelSteps(steps: readonly Step[]): KernelStep[] {
  return steps.filter((step) => step.kind === "kernel");
}

/** One program: its steps in order. */
export interface Program {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** Everything an executor needs. */
export interface Plan {
  readonly programs: ReadonlyMap<string, Program>;
  readonly lasting: ReadonlyMap<string, Lasting>;
  /** The short-lived tensors of all programs, each with its place: for reports. */
  readonly transient: readonly Place[];
  readonly lastingBytes: number;
  /** Lasting bytes and the programs' shared space for short-lived tensors. */
  readonly plannedBytes: number;
  /** What it would be with every tensor of every program in bytes of its own and nothing recomputed. */
  readonly naiveBytes: number;
}

/** Bytes of a tensor. */
export function tensorBytes(type: TensorType): number {
  return elementCount(type.shape) * bytesOf(type.dtype);
}

/** The program called `name`. */
export function programOf(plan: Plan, name: string): Program {
  const program = plan.programs.get(name);
  if (!program) {
    throw new InternalError(`The plan has no program ${name}, only ${[...plan.programs.keys()].join(", ")}`);
  }
  return program;
}

/** The lasting tensor called `name`. */
export function lastingOf(plan: Plan, name: string): Lasting {
  const tensor = plan.lasting.get(name);
  if (!tensor) throw new InternalError(`The plan has no lasting tensor ${name}`);
  return tensor;
}

/** Sum over the steps of a program. */
export function sumOf(program: Program, of: (step: Step) => number): number {
  return program.steps.reduce((sum, step) => sum + of(step), 0);
}

/** Bytes of all values of the graphs as they stand, each counted once; those written part by part are one value. */
export function naiveBytesOf(graphs: readonly Graph[]): number {
  const named = new Map<string, number>();
  const scratch = new Set<Value>();
  let bytes = 0;
  const count = (value: Value) => {
    if (value.role === "computed") bytes += tensorBytes(value);
    else named.set(value.name, tensorBytes(value));
  };
  for (const graph of graphs) {
    for (const node of graph.nodes) {
      node.inputs.filter((input) => input.role !== "computed").forEach(count);
      node.outputs.forEach((output, o) => {
        const before = node.inputs[OPS[node.op].inPlace?.[o] ?? NaN];
        if (before && (before.role === "scratch" || scratch.has(before))) scratch.add(output);
        else count(output);
      });
    }
  }
  return [...named.values()].reduce((sum, size) => sum + size, bytes);
}
