// Which rank updates what, where several ranks train one model: Muon's matrices go whole to one rank each, large tables of
// Adam's in equal parts to all, and what is small is updated by every rank alike. Also what ranks exchange around the
// update. Decides by names and shapes alone, so that every rank comes to the same answer; moves no data. May import
// lib/base, the graph and its neighbours.

import { elementCount } from "../base/shape.ts";
import type { Collective, Exchange } from "../graph/collectives.ts";
import type { Trained } from "./update.ts";

/** A rank among all of a run. */
export interface Rank {
  /** From 0. */
  readonly rank: number;
  readonly ranks: number;
}

/** The only rank of a run. */
export const ALONE: Rank = { rank: 0, ranks: 1 };

/** Who updates a parameter: every rank alike, one rank, or each its part of `count` elements, in the order of ranks. */
export type Share =
  | { readonly by: "everyone" }
  | { readonly by: "owner"; readonly owner: number }
  | { readonly by: "parts"; readonly count: number };

/** Elements below which a tensor is not worth sharing out: its exchange takes longer than its update. */
const SMALL = 1 << 14;

/** Who updates each of the parameters. */
export function shareOut(parameters: readonly Trained[], ranks: number): Share[] {
  const owners = shareMatrices(parameters, ranks);
  return parameters.map((parameter): Share => {
    const owner = owners.get(parameter);
    if (owner !== undefined) return { by: "owner", owner };
    const count = elementCount(parameter.shape);
    return ranks === 1 || count < SMALL || count % ranks !== 0
      ? { by: "everyone" }
      : { by: "parts", count: count / ranks };
  });
}

/** Muon's matrices by their owners: the costliest first, each to the rank that has the least to do so far. */
function shareMatrices(parameters: readonly Trained[], ranks: number): Map<Trained, number> {
  const load = new Array<number>(ranks).fill(0);
  const matrices = parameters.filter(({ rate }) => rate === "muonLr")
    .map((parameter) => ({ parameter, cost: orthogonalisationCost(parameter) }))
    .sort((a, b) => b.cost - a.cost);
  return new Map(matrices.map(({ parameter, cost }) => {
    const owner = load.indexOf(Math.min(...load));
    load[owner] = (load[owner] ?? 0) + cost;
    return [parameter, owner];
  }));
}

/** Newton-Schulz on a matrix, short by long: two products with it and one of its square, each iteration. */
function orthogonalisationCost({ shape }: Trained): number {
  const [short, long] = [Math.min(...shape), Math.max(...shape)];
  return short * short * (2 * long + short);
}

/** What ranks exchange in a step; nothing where there is one rank. */
export function exchanges(
  parameters: readonly Trained[],
  names: { readonly scalars: string; readonly flags: string },
  ranks: number,
): Exchange | undefined {
  if (ranks === 1) return undefined;
  const shares = shareOut(parameters, ranks);
  return {
    gradients: parameters.map(({ name }, i) => gradientExchange(`grad.${name}`, shares[i])),
    // The guard's scalar is 1 on a rank whose loss is not finite, the others are the same everywhere.
    before: [{ kind: "allReduce", tensor: names.scalars, op: "max" }],
    after: [
      ...parameters.flatMap(({ name }, i) => parameterExchange(name, shares[i])),
      // Each rank has counted in what it updates; where every rank counts alike, the sum is a multiple.
      { kind: "allReduce", tensor: names.flags, op: "sum" },
    ],
  };
}

/** Sums a gradient where it is needed. */
function gradientExchange(tensor: string, share: Share | undefined): Collective {
  switch (share?.by) {
    case "owner":
      return { kind: "reduce", tensor, root: share.owner };
    case "parts":
      return { kind: "reduceScatter", tensor };
    default:
      return { kind: "allReduce", tensor, op: "sum" };
  }
}

/** Gives an updated parameter to all; none where all have made the same update. */
function parameterExchange(tensor: string, share: Share | undefined): Collective[] {
  switch (share?.by) {
    case "owner":
      return [{ kind: "share", tensor, root: share.owner }];
    case "parts":
      return [{ kind: "allGather", tensor }];
    default:
      return [];
  }
}
