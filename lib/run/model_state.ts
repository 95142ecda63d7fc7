// What a run is made of between steps: parameters and optimiser state in the device's memory. Starts it, lists it for
// checkpoints, restores it. Reads and writes no file and keeps no second copy of a tensor: checkpoint.ts pulls and
// pushes piece by piece. May import lib/base, lib/run, lib/plan, the model and the optimisers.

import { elementCount, type Shape } from "../base/shape.ts";
import { startingValues } from "../model/init.ts";
import type { ParameterSpec } from "../model/parameters.ts";
import { stateNames } from "../optim/update.ts";
import { lastingOf } from "../plan/plan.ts";
import type { CheckpointTensor, RestoreTarget } from "./checkpoint.ts";
import type { Executor } from "./executor.ts";

/** A tensor of the state, by its canonical name. */
interface StateTensor {
  readonly name: string;
  readonly shape: Shape;
}

/** The optimisers' state in the order of a checkpoint. */
function optimiserTensors(specs: readonly ParameterSpec[]): StateTensor[] {
  return specs.flatMap((spec) => stateNames(spec).map((name) => ({ name, shape: spec.shape })));
}

/** Parameters and optimiser state as a checkpoint stores them: as they lie in the device's memory. */
export function storedState(executor: Executor, specs: readonly ParameterSpec[]) {
  const stored = ({ name, shape }: StateTensor): CheckpointTensor => ({
    name,
    shape,
    dtype: lastingOf(executor.plan, name).dtype === "f64" ? "F64" : "F32",
    read: (offset, target) => executor.readBytes(name, offset, target),
  });
  return { parameters: specs.map(stored), optimiser: optimiserTensors(specs).map(stored) };
}

/** Where a checkpoint's parameters go. Call executor.refresh() once they are there. */
export function parameterTargets(executor: Executor, specs: readonly ParameterSpec[]): RestoreTarget[] {
  return targets(executor, specs);
}

/** Where a checkpoint's optimiser state goes. */
export function optimiserTargets(executor: Executor, specs: readonly ParameterSpec[]): RestoreTarget[] {
  return targets(executor, optimiserTensors(specs));
}

function targets(executor: Executor, tensors: readonly StateTensor[]): RestoreTarget[] {
  return tensors.map(({ name, shape }) => ({
    name,
    shape,
    write: (values, first) => executor.write(name, values, first),
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
