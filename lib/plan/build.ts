// Builds a plan from graphs: expands what the device lacks, inserts working copies, hoists, recomputes, lays out
// lasting tensors, places the rest by lifetime, writes the kernel calls. Opens no device and knows no model; refuses
// graphs that disagree on a tensor of the same name. May import lib/base, the graph and lib/plan.

import { InternalError } from "../base/errors.ts";
import { type Exchange } from "../graph/collectives.ts";
import { at, formatType, type Graph, type Node, type Value } from "../graph/node.ts";
import type { FormName, OpDef, OpName, Signature } from "../graph/op.ts";
import { OPS, symbolOf } from "../graph/ops.ts";
import { dropDead, expandOps } from "../graph/rewrite.ts";
import { insertWorkingCopies } from "./copies.ts";
import { hoist } from "./hoist.ts";
import { aroundUpdate, collectiveStep, type LaidStep, sumAsTheyCome } from "./exchange.ts";
import { aligned, type Block, placeBlocks } from "./memory.ts";
import {
  type KernelStep,
  type Kind,
  type Lasting,
  naiveBytesOf,
  type Place,
  type Plan,
  type Program,
  tensorBytes,
} from "./plan.ts";
import { recomputeCheap } from "./recompute.ts";

/** What the plan needs to know of a device. */
export interface PlanOptions {
  /** Ops the device has no kernel for; they must have an expansion. */
  readonly lacks: (op: OpName) => boolean;
  /** Whether cheap forward values are made again in the backward pass. */
  readonly recompute: boolean;
  /** The form of the kernel of an op that has several; not there where the device has one of each. */
  readonly form?: (op: OpName, s: Signature) => FormName;
  /** Rows of logits that the head holds at a time; the op's own number where not given. */
  readonly headRows?: number;
  /** Most matrices of one shape that Newton-Schulz takes at a time; one where not given. */
  readonly muonBatch?: number;
}

/** The graphs of a run. `accumulate` has gradients among its outputs, as `grad.NAME`. */
export interface ProgramGraphs {
  readonly accumulate?: Graph;
  readonly update?: Graph;
  /** Of several ranks: what they exchange in a step, and whether the last microbatch has one before it on a rank. */
  readonly exchange?: Exchange | undefined;
  readonly accumulatesLast?: boolean;
  /** Forward-only programs: evaluate, logits, prefill, predict. */
  readonly forward: readonly Graph[];
}

/** Names of the programs every plan has, possibly empty: constants, and working copies after each update. */
export const SETUP = "setup";
export const REFRESH = "refresh";
/** The accumulate program that overwrites the gradients, and the one that adds to them. */
export const ACCUMULATE_FIRST = "accumulate-first";
export const ACCUMULATE_NEXT = "accumulate-next";
/** Of several ranks: the one of the last microbatch, whose gradients are summed over the ranks as they come. */
export const ACCUMULATE_LAST = "accumulate-last";

/** Plans all programs into one arena. */
export function buildPlan(graphs: ProgramGraphs, options: PlanOptions): Plan {
  const builder = new PlanBuilder(options);
  const all = [graphs.accumulate, graphs.update, ...graphs.forward].filter((graph) => graph !== undefined);
  if (graphs.accumulate) builder.addAccumulate(graphs.accumulate, graphs);
  for (const graph of graphs.forward) builder.addForward(graph);
  if (graphs.update) builder.addUpdate(graphs.update, graphs.exchange);
  return builder.finish(naiveBytesOf(all));
}

/** What a state lasts for, by its name. */
function stateKind(name: string): Kind {
  if (name.startsWith("grad.")) return "gradient";
  return name.startsWith("cache.") ? "cache" : "optimiser";
}

/** Where an output of a program goes, and whether it is added to what is there. */
interface Target {
  readonly tensor: Lasting;
  readonly accumulate: boolean;
}

/** A program with its short-lived tensors still at offsets from 0. */
interface Laid {
  readonly name: string;
  readonly steps: readonly LaidStep<LaidKernel>[];
}

type LaidKernel = Omit<KernelStep, "tensors"> & { readonly tensors: readonly (Lasting | Short)[] };

interface Short {
  readonly value: { readonly name: string } & Omit<Place, "offset" | "name">;
  readonly block: Block;
}

class PlanBuilder {
  readonly #options: PlanOptions;
  readonly #lasting = new Map<string, Lasting>();
  readonly #hoisted = new Map<string, { node: Node; constant: boolean }>();
  readonly #laid: Laid[] = [];
  #lastingBytes = 0;
  #transientBytes = 0;

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  addAccumulate(graph: Graph, { exchange, accumulatesLast = false }: ProgramGraphs): void {
    const { graph: prepared, places } = this.#prepare(graph);
    const variants: [string, boolean, Exchange["gradients"]][] = [
      [ACCUMULATE_FIRST, false, []],
      [ACCUMULATE_NEXT, true, []],
    ];
    if (exchange) variants.push([ACCUMULATE_LAST, accumulatesLast, exchange.gradients]);
    for (const [name, accumulate, sums] of variants) {
      const targets = new Map<Value, Target>();
      for (const [key, value] of Object.entries(prepared.outputs)) {
        const kind = key.startsWith("grad.") ? "gradient" : "output";
        if (targets.has(value)) throw new InternalError(`${key} is also another output of ${graph.name}`);
        targets.set(value, {
          tensor: this.#last(key, kind, value),
          accumulate: accumulate && kind === "gradient",
        });
      }
      this.#lay(name, prepared.nodes, places, targets, (steps) => sumAsTheyCome(steps, sums));
    }
  }

  addForward(graph: Graph): void {
    const { graph: prepared, places } = this.#prepare(graph);
    const targets = new Map<Value, Target>();
    for (const [key, value] of Object.entries(prepared.outputs)) {
      targets.set(value, { tensor: this.#last(key, "output", value), accumulate: false });
    }
    this.#lay(graph.name, prepared.nodes, places, targets);
  }

  addUpdate(graph: Graph, exchange: Exchange | undefined): void {
    const prepared = expandOps(graph, this.#options.lacks);
    this.#lay(graph.name, prepared.nodes, new Map(), new Map(), (steps) => aroundUpdate(steps, exchange));
  }

  finish(naiveBytes: number): Plan {
    for (const [name, constant] of [[SETUP, true], [REFRESH, false]] as const) {
      const entries = [...this.#hoisted].filter(([, entry]) => entry.constant === constant);
      const nodes = new Set(entries.map(([, entry]) => entry.node));
      this.#lay(name, [...nodes], this.#hoistedPlaces, new Map());
    }
    const transient: Place[] = [];
    const placed = new Map<Short, Place>();
    const place = (tensor: Lasting | Short): Place => {
      if (!("block" in tensor)) return tensor;
      const known = placed.get(tensor);
      if (known) return known;
      const result = { ...tensor.value, offset: this.#lastingBytes + tensor.block.offset };
      placed.set(tensor, result);
      transient.push(result);
      return result;
    };
    const programs = new Map<string, Program>();
    for (const { name, steps } of this.#laid) {
      programs.set(name, {
        name,
        steps: steps.map((step) =>
          step.kind === "kernel"
            ? { ...step, tensors: step.tensors.map(place) }
            : collectiveStep(step.collective, this.#lasting)
        ),
      });
    }
    return {
      programs,
      lasting: this.#lasting,
      transient,
      lastingBytes: this.#lastingBytes,
      plannedBytes: this.#lastingBytes + this.#transientBytes,
      naiveBytes,
    };
  }

  readonly #hoistedPlaces = new Map<Value, Lasting>();

  /** Expansion, working copies, hoisting and recomputation of one graph; the hoisted values get lasting places. */
  #prepare(graph: Graph): { graph: Graph; places: Map<Value, Lasting> } {
    const whole = insertWorkingCopies(dropDead(expandOps(graph, this.#options.lacks)));
    const { constants, refreshed, graph: rest, names } = hoist(whole);
    const places = new Map<Value, Lasting>();
    for (const [nodes, constant] of [[constants, true], [refreshed, false]] as const) {
      for (const node of nodes) {
        for (const output of node.outputs) {
          const name = names.get(output) ?? output.name;
          const tensor = this.#last(name, constant ? "constant" : "copy", output);
          places.set(output, tensor);
          if (this.#hoisted.has(name)) continue;
          this.#hoisted.set(name, { node, constant });
        }
        node.outputs.forEach((output) => this.#hoistedPlaces.set(output, this.#placeOf(places, output)));
      }
    }
    const lasting = new Set(places.keys());
    return { graph: this.#options.recompute ? recomputeCheap(rest, lasting) : rest, places };
  }

  #placeOf(places: ReadonlyMap<Value, Lasting>, value: Value): Lasting {
    const place = places.get(value);
    if (!place) throw new InternalError(`${value.name} has no place`);
    return place;
  }

  /** The lasting tensor `name`, made on first mention. */
  #last(name: string, kind: Kind, type: Pick<Value, "shape" | "dtype">): Lasting {
    const known = this.#lasting.get(name);
    if (known) {
      if (formatType(known) === formatType(type)) return known;
      throw new InternalError(
        `${name} is ${formatType(known)} in one program and ${formatType(type)} in another`,
      );
    }
    const tensor: Lasting = { name, kind, shape: type.shape, dtype: type.dtype, offset: this.#lastingBytes };
    this.#lastingBytes += aligned(tensorBytes(type));
    this.#lasting.set(name, tensor);
    return tensor;
  }

  /** Where a value that the program does not compute lies. */
  #lastingPlace(value: Value): Lasting {
    switch (value.role) {
      case "parameter":
        return this.#last(value.name, "parameter", value);
      case "input":
        return this.#last(value.name, "input", value);
      case "state":
        return this.#last(value.name, stateKind(value.name), value);
      case "scratch":
      case "computed":
        throw new InternalError(`${value.name} ${formatType(value)} is used but never computed`);
      default:
        return value.role satisfies never;
    }
  }

  /** Writes the steps of one program and places its short-lived tensors from offset 0. */
  #lay(
    name: string,
    nodes: readonly Node[],
    places: ReadonlyMap<Value, Lasting>,
    targets: ReadonlyMap<Value, Target>,
    withExchange: (steps: readonly LaidKernel[]) => readonly LaidStep<LaidKernel>[] = (steps) => steps,
  ): void {
    const layout = new ProgramLayout(
      nodes,
      places,
      targets,
      (value) => this.#lastingPlace(value),
      this.#options,
    );
    this.#laid.push({ name, steps: withExchange(layout.steps) });
    this.#transientBytes = Math.max(this.#transientBytes, placeBlocks(layout.blocks));
  }
}

/** The steps of one program over places that are lasting or blocks still to be placed. */
class ProgramLayout {
  readonly steps: LaidKernel[] = [];
  readonly blocks: Block[] = [];
  readonly #places = new Map<Value, Lasting | Short>();
  readonly #lastUse = new Map<Value, number>();
  readonly #outside: (value: Value) => Lasting;
  readonly #options: PlanOptions;

  constructor(
    nodes: readonly Node[],
    places: ReadonlyMap<Value, Lasting>,
    targets: ReadonlyMap<Value, Target>,
    outside: (value: Value) => Lasting,
    options: PlanOptions,
  ) {
    this.#outside = outside;
    this.#options = options;
    for (const [value, place] of places) this.#places.set(value, place);
    const uses = new Map<Value, number>();
    nodes.forEach((node, i) => {
      for (const input of node.inputs) {
        this.#lastUse.set(input, i);
        uses.set(input, (uses.get(input) ?? 0) + 1);
      }
    });
    nodes.forEach((node, i) => this.#addNode(node, i, targets, uses));
  }

  #addNode(
    node: Node,
    index: number,
    targets: ReadonlyMap<Value, Target>,
    uses: ReadonlyMap<Value, number>,
  ): void {
    const def = OPS[node.op];
    let attrs = node.attrs;
    const additions: { target: Target; short: Short }[] = [];
    node.outputs.forEach((output, o) => {
      const aliased = def.inPlace?.[o];
      const target = targets.get(output);
      if (aliased !== undefined) {
        this.#places.set(output, this.#overwritten(at(node.inputs, aliased), output, index));
      } else if (target && !target.accumulate) {
        this.#places.set(output, target.tensor);
      } else if (target && def.accumulates?.includes(o) && !uses.has(output)) {
        this.#places.set(output, target.tensor);
        attrs = { ...attrs, accumulate: 1 };
      } else if (!this.#places.has(output)) {
        const short = this.#short(node, output, o, index, def, target !== undefined);
        this.#places.set(output, short);
        if (target) additions.push({ target, short });
      }
    });
    this.#pushStep({ ...node, attrs }, index);
    for (const { target, short } of additions) this.#pushAdd(target.tensor, short, node);
  }

  /** A new block for an output, or the block of a dying input that the op may overwrite. */
  #short(node: Node, output: Value, o: number, index: number, def: OpDef, isTarget: boolean): Short {
    const end = Math.max(index, this.#lastUse.get(output) ?? index);
    const { name, shape, dtype } = output;
    const value = { name, shape, dtype };
    if (o === 0 && !isTarget) {
      for (const i of def.reuses ?? []) {
        const input = at(node.inputs, i);
        const place = this.#places.get(input);
        const dying = this.#lastUse.get(input) === index &&
          node.inputs.filter((other) => other === input).length === 1;
        if (
          place && "block" in place && dying && place.block.end === index &&
          place.block.bytes === tensorBytes(output)
        ) {
          place.block.end = end;
          return { value, block: place.block };
        }
      }
    }
    return { value, block: this.#block(tensorBytes(output), index, end) };
  }

  /** The place of an input that becomes an output; scratch gets it here, and keeps it as long as the output is used. */
  #overwritten(input: Value, output: Value, index: number): Lasting | Short {
    if (input.role === "scratch" && !this.#places.has(input)) {
      const { name, shape, dtype } = output;
      const block = this.#block(tensorBytes(input), index, index);
      this.#places.set(input, { value: { name, shape, dtype }, block });
    }
    const place = this.#place(input);
    if ("block" in place) place.block.end = Math.max(place.block.end, this.#lastUse.get(output) ?? index);
    return place;
  }

  #block(bytes: number, start: number, end: number): Block {
    const block = { bytes, start, end, offset: 0 };
    this.blocks.push(block);
    return block;
  }

  #place(value: Value): Lasting | Short {
    const known = this.#places.get(value);
    if (known) return known;
    const place = this.#outside(value);
    this.#places.set(value, place);
    return place;
  }

  #pushStep(node: Node, index: number): void {
    const def = OPS[node.op];
    const { form: fastest, headRows } = this.#options;
    const form = def.forms && fastest?.(node.op, node);
    const chosen = { ...(form && { form }), ...(def.chunked && headRows && { chunk: headRows }) };
    const signature = { ...node, attrs: { ...node.attrs, ...chosen } };
    const aliased = new Set(Object.values(def.inPlace ?? {}));
    const tensors = [
      ...node.outputs.map((output) => this.#place(output)),
      ...node.inputs.filter((_, i) => !aliased.has(i)).map((input) => this.#place(input)),
    ];
    const bytes = def.bytes?.(signature) ??
      [...node.inputs, ...node.outputs].reduce((sum, value) => sum + tensorBytes(value), 0);
    const workspace = def.workspace?.(signature) ?? 0;
    if (def.workspace) {
      const value = { name: "workspace", shape: [Math.ceil(workspace / 4)], dtype: "f32" as const };
      tensors.push({ value, block: this.#block(workspace, index, index) });
    }
    this.steps.push({
      kind: "kernel",
      op: node.op,
      ...(form && { form }),
      phase: node.phase,
      symbol: symbolOf(node.op),
      tensors,
      args: def.args(signature),
      flops: def.flops(node),
      bytes,
    });
  }

  /** target += short, for a gradient whose kernel cannot add. */
  #pushAdd(target: Lasting, short: Short, node: Node): void {
    const sum = { inputs: [target, target], outputs: [target], attrs: {} };
    this.steps.push({
      kind: "kernel",
      op: "add",
      phase: node.phase,
      symbol: symbolOf("add"),
      tensors: [target, target, short],
      args: OPS.add.args(sum),
      flops: OPS.add.flops(sum),
      bytes: 3 * tensorBytes(target),
    });
  }
}
