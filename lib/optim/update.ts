// The optimisers' part of a step as a graph: Muon for the matrices of the blocks, Adam for the rest. A parameter is
// known here only by name, shape and rate; the schedule's values come in at run time. Reads no gradient's value: a
// step that is not finite is refused by lib/run. May import lib/base and the graph only.

import { type DType, realOf } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Graph, type Value } from "../graph/node.ts";
import { type OptimConfig, SCALAR_COUNT } from "./schedule.ts";

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
 * One optimiser step over all parameters. Reads `grad.NAME`, the scalar buffer and the state; writes parameters and
 * state in place and, per parameter in order, the number of non-finite gradient elements into `flags`.
 * `act` is the activations' type: Newton-Schulz multiplies in it.
 */
export function updateGraph(parameters: readonly Trained[], optim: OptimConfig, act: DType): Graph {
  const b = new GraphBuilder();
  b.phase = "update";
  const real = realOf(act);
  const common: Common = {
    b,
    optim,
    act,
    scalars: b.input(UPDATE_INPUTS.scalars, [SCALAR_COUNT], real),
    flags: b.state(UPDATE_INPUTS.flags, [parameters.length], real),
  };
  parameters.forEach((parameter, index) => {
    const p = b.parameter(parameter.name, parameter.shape, real);
    const g = b.state(`grad.${parameter.name}`, parameter.shape, real);
    if (parameter.rate === "muonLr") muon(common, parameter, index, p, g);
    else adam(common, parameter, index, p, g);
  });
  return b.build("update", {});
}

interface Common {
  readonly b: GraphBuilder;
  readonly optim: OptimConfig;
  readonly act: DType;
  readonly scalars: Value;
  readonly flags: Value;
}

/** Kingma and Ba, "Adam" (2015), without weight decay. */
function adam(c: Common, parameter: Trained, index: number, p: Value, g: Value): void {
  const [m, v] = stateNames(parameter).map((name) => c.b.state(name, p.shape, p.dtype));
  if (!m || !v) throw new RangeError("Adam has two states");
  const { beta1, beta2, adamEps } = c.optim;
  c.b.apply("adam", [p, m, v, c.flags, g, c.scalars], {
    index,
    lr: c.optim[parameter.rate],
    beta1,
    beta2,
    eps: adamEps,
  });
}

/** Keller Jordan's Muon (2024-10): Nesterov momentum, orthogonalised; tall matrices step sqrt(rows/columns) further. */
function muon(c: Common, parameter: Trained, index: number, p: Value, g: Value): void {
  const [name] = stateNames(parameter);
  if (!name) throw new RangeError("Muon has one state");
  const momentum = c.b.state(name, p.shape, p.dtype);
  const u = at(c.b.apply("nesterov", [momentum, c.flags, g, c.scalars], { index }), 1);
  const direction = c.b.one("newtonSchulz", [u], { steps: c.optim.nsSteps, dtype: c.act });
  const [rows, columns] = [at(p.shape, 0), at(p.shape, 1)];
  const factor = c.optim.muonLr * Math.sqrt(Math.max(1, rows / columns));
  c.b.apply("applyUpdate", [p, direction, c.scalars], { factor });
}
