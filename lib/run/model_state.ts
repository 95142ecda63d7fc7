// What a run is made of between steps: parameters and optimiser state in the devices' memories. Starts it, lists it for
// checkpoints, restores it. Of several ranks each holds all parameters and the state of what it updates: a checkpoint has the
// whole, so that a run can go on with other ranks. Reads and writes no file and keeps no second copy of a tensor:
// checkpoint.ts pulls and pushes piece by piece. May import lib/base, lib/run, lib/plan, the model and the optimisers.

import { bytesOf } from "../base/dtype.ts";
import { elementCount, type Shape } from "../base/shape.ts";
import { startingValues } from "../model/init.ts";
import type { ParameterSpec } from "../model/parameters.ts";
import { type Share, shareOut } from "../optim/sharing.ts";
import { stateNames } from "../optim/update.ts";
import { lastingOf } from "../plan/plan.ts";
import type { CheckpointTensor, RestoreTarget } from "./checkpoint.ts";
import type { Executor } from "./executor.ts";
import type { Ranks } from "./ranks.ts";

/** A tensor of the state, by its canonical name and whole shape, and which ranks hold it. */
interface StateTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly share: Share;
}

/** A run's model on a rank's device. */
export interface ModelState {
  readonly executor: Executor;
  readonly specs: readonly ParameterSpec[];
  readonly ranks: Ranks;
}

function parameterTensors({ specs }: ModelState): StateTensor[] {
  return specs.map(({ name, shape }) => ({ name, shape, share: { by: "everyone" } }));
}

/** The optimisers' state in the order of a checkpoint. */
function optimiserTensors({ specs, ranks }: ModelState): StateTensor[] {
  const shares = shareOut(specs, ranks.ranks);
  return specs.flatMap((spec, i) => {
    const share = shares[i] ?? { by: "everyone" };
    return stateNames(spec).map((name) => ({ name, shape: spec.shape, share }));
  });
}

/**
 * Parameters and optimiser state as a checkpoint stores them: as they lie in the devices' memories. Where there are several
 * ranks, all of them must read the same pieces of optimiser state in the same order.
 */
export function storedState(state: ModelState) {
  const stored = (tensor: StateTensor): CheckpointTensor => {
    const { name, shape } = tensor;
    const isDouble = state.ranks.ranks === 1 && lastingOf(state.executor.plan, name).dtype === "f64";
    const dtype = isDouble ? "F64" : "F32";
    return { name, shape, dtype, read: (offset, target) => readPiece(state, tensor, offset, target) };
  };
  return { parameters: parameterTensors(state).map(stored), optimiser: optimiserTensors(state).map(stored) };
}

/** Reads bytes of a whole tensor from byte `offset` on, each from a rank that holds it. */
function readPiece(
  { executor, ranks }: ModelState,
  tensor: StateTensor,
  offset: number,
  target: Uint8Array,
): void {
  const { name, share } = tensor;
  const fromRank = (rank: number, first: number, bytes: Uint8Array) => {
    if (rank === ranks.rank) executor.readBytes(name, first, bytes);
    ranks.share(rank, bytes);
  };
  switch (share.by) {
    case "everyone":
      return executor.readBytes(name, offset, target);
    case "owner":
      return fromRank(share.owner, offset, target);
    case "parts": {
      const part = share.count * bytesOf("f32");
      for (let done = 0; done < target.length;) {
        const rank = Math.floor((offset + done) / part), first = offset + done - rank * part;
        const bytes = target.subarray(done, done + part - first);
        fromRank(rank, first, bytes);
        done += bytes.length;
      }
      return;
    }
    default:
      return share satisfies never;
  }
}

/** Where a checkpoint's parameters go. Call executor.refresh() once they are there. */
export function parameterTargets(state: ModelState): RestoreTarget[] {
  return targets(state, parameterTensors(state));
}

/** Where a checkpoint's optimiser state goes: what this rank does not hold goes nowhere. */
export function optimiserTargets(state: ModelState): RestoreTarget[] {
  return targets(state, optimiserTensors(state));
}

function targets(
  { executor, ranks: { rank } }: ModelState,
  tensors: readonly StateTensor[],
): RestoreTarget[] {
  return tensors.map(({ name, shape, share }) => ({
    name,
    shape,
    write(values, first) {
      if (share.by === "everyone" || (share.by === "owner" && share.owner === rank)) {
        executor.write(name, values, first);
      } else if (share.by === "parts") {
        const begin = share.count * rank - first; // where this rank's part begins in these values
        const own = values.subarray(Math.max(0, begin), Math.max(0, begin + share.count));
        if (own.length > 0) executor.write(name, own, Math.max(0, -begin));
      }
    },
  }));
}

/** Elements drawn at a time: the embedding of a large model never lies twice in memory. */
const DRAW_ELEMENTS = 1 << 20;

/** Writes the starting values of all parameters; optimiser state is zero as the arena is. */
export function initialise(executor: Executor, specs: readonly ParameterSpec[], seed: number): void {
  specs.forEach((spec, index) => {
    const count = elementCount(spec.shape);
    for (let first = 0; first < count; first += DRAW_ELEMENTS) {
      const part = Math.min(DRAW_ELEMENTS, count - first);
      executor.write(spec.name, startingValues(spec, index, seed, first, part), first);
    }
  });
  executor.refresh();
}
