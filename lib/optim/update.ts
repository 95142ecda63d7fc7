// The optimisers' part of a step as a graph: Muon for the matrices of the blocks, Adam for the rest, and the guard that
// halts them; of several ranks, what this one updates. A parameter is known here only by name, shape and rate; the
// schedule's values come in at run time. Reads no gradient's value: a step whose gradient is not finite is refused by
// lib/run. May import lib/base, the graph and its neighbours.

import { type DType, realOf } from "../base/dtype.ts";
import { formatShape, type Shape } from "../base/shape.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Graph, type Value } from "../graph/node.ts";
import { type OptimConfig, SCALAR_COUNT } from "./schedule.ts";
import { ALONE, type Rank, type Share, shareOut } from "./sharing.ts";

/** A parameter as the optimisers see it. */
export interface Trained {
  readonly name: string;
  readonly shape: Shape;
  readonly rate: "embedLr" | "headLr" | "scalarLr" | "muonLr";
}

/** Names of the tensors that the update reads besides parameters and optimiser state. */
export const UPDATE_INPUTS = { scalars: "scalars", flags: "flags" } as const;

/** Names of a parameter's optimiser state: one momentum for Muon, two moments for Adam. */
export function stateNames(parameter: Trained): string[] {
  return parameter.rate === "muonLr"
    ? [`${parameter.name}.momentum`]
    : [`${parameter.name}.m`, `${parameter.name}.v`];
}

/**
 * The graph of a microbatch with its guard: where its output `loss` (1) is not finite, neither the update that follows nor
 * a later one changes anything.
 */
export function guardedGraph(graph: Graph): Graph {
  const { loss } = graph.outputs;
  if (!loss) throw new RangeError(`The graph ${graph.name} has no loss to guard`);
  const b = new GraphBuilder();
  b.phase = "update";
  b.apply("guard", [b.input(UPDATE_INPUTS.scalars, [SCALAR_COUNT], loss.dtype), loss]);
  return { ...graph, nodes: [...graph.nodes, ...b.nodes] };
}

/**
 * One optimiser step over all parameters. Reads `grad.NAME`, the scalar buffer and the state; writes parameters and
 * state in place and, per parameter in order, the number of non-finite gradient elements into `flags`.
 * `act` is the activations' type: Newton-Schulz multiplies in it, up to `batch` matrices of one shape at a time; how
 * many changes no result. Of several ranks it is the part of `rank`: moments have the elements that it updates, and flags
 * count those alone.
 */
export function updateGraph(
  parameters: readonly Trained[],
  optim: OptimConfig,
  act: DType,
  batch: number,
  rank: Rank = ALONE,
): Graph {
  const b = new GraphBuilder();
  b.phase = "update";
  const real = realOf(act);
  const common: Common = {
    b,
    optim,
    act,
    rank: rank.rank,
    scalars: b.input(UPDATE_INPUTS.scalars, [SCALAR_COUNT], real),
    flags: b.state(UPDATE_INPUTS.flags, [parameters.length], real),
  };
  for (const members of batchesOf(membersOf(parameters, rank), batch)) {
    const tensors = members.map((member): Tensors => ({
      ...member,
      p: b.parameter(member.parameter.name, member.parameter.shape, real),
      g: b.state(`grad.${member.parameter.name}`, member.parameter.shape, real),
    }));
    if (at(tensors, 0).parameter.rate === "muonLr") muon(common, tensors);
    else tensors.forEach((member) => adam(common, member));
  }
  return b.build("update", {});
}

/** A parameter, its place among all, and who updates it. */
interface Member {
  readonly parameter: Trained;
  readonly index: number;
  readonly share: Share;
}

/** What a rank updates, in order. */
function membersOf(parameters: readonly Trained[], { rank, ranks }: Rank): Member[] {
  const shares = shareOut(parameters, ranks);
  return parameters.map((parameter, index) => ({ parameter, index, share: at(shares, index) }))
    .filter(({ share }) => share.by !== "owner" || share.owner === rank);
}

/** The members in order, but that up to `most` of Muon's of one shape stand together, where the first of them is. */
function batchesOf(members: readonly Member[], most: number): Member[][] {
  const batches: Member[][] = [];
  const latest = new Map<string, Member[]>();
  members.forEach((member) => {
    const { parameter } = member;
    const shape = parameter.rate === "muonLr" ? formatShape(parameter.shape) : "";
    const known = latest.get(shape);
    if (known && known.length < most) {
      known.push(member);
    } else {
      const batch = [member];
      batches.push(batch);
      if (shape !== "") latest.set(shape, batch);
    }
  });
  return batches;
}

/** A member with its tensors: the parameter and its gradient. */
interface Tensors extends Member {
  readonly p: Value;
  readonly g: Value;
}

interface Common {
  readonly b: GraphBuilder;
  readonly optim: OptimConfig;
  readonly act: DType;
  readonly rank: number;
  readonly scalars: Value;
  readonly flags: Value;
}

/** Kingma and Ba, "Adam" (2015), without weight decay. */
function adam(c: Common, { parameter, index, share, p, g }: Tensors): void {
  const shape = share.by === "parts" ? [share.count] : p.shape;
  const [m, v] = stateNames(parameter).map((name) => c.b.state(name, shape, p.dtype));
  if (!m || !v) throw new RangeError("Adam has two states");
  const { beta1, beta2, adamEps } = c.optim;
  c.b.apply("adam", [p, m, v, c.flags, g, c.scalars], {
    index,
    first: share.by === "parts" ? c.rank * share.count : 0,
    lr: c.optim[parameter.rate],
    beta1,
    beta2,
    eps: adamEps,
  });
}

/**
 * Keller Jordan's Muon (2024-10) for matrices of one shape: Nesterov momentum, each matrix's in a slot of one batch,
 * orthogonalised together; tall matrices step sqrt(rows/columns) further.
 */
function muon(c: Common, members: readonly Tensors[]): void {
  const { p: { shape, dtype }, parameter: { name } } = at(members, 0);
  const all = members.length === 1 ? shape : [members.length, ...shape];
  let u = c.b.scratch(`${name}.direction`, all, dtype);
  members.forEach(({ parameter, index, g }, slot) => {
    const [state] = stateNames(parameter);
    if (!state) throw new RangeError("Muon has one state");
    const momentum = c.b.state(state, shape, dtype);
    u = at(c.b.apply("nesterov", [momentum, u, c.flags, g, c.scalars], { index, slot }), 1);
  });
  const direction = c.b.one("newtonSchulz", [u], { steps: c.optim.nsSteps, dtype: c.act });
  const [rows, columns] = [at(shape, 0), at(shape, 1)];
  const factor = c.optim.muonLr * Math.sqrt(Math.max(1, rows / columns));
  members.forEach(({ p }, slot) => {
    c.b.apply("applyUpdate", [p, direction, c.scalars], { factor, slot });
  });
}
