// What a run is made of between steps: parameters and optimiser state in the device's memory. Starts it, lists it for
// checkpoints, restores it. Imports lib/run, model and optimisers.

import { bytesOf } from "../base/dtype.ts";
import { elementCount, type Shape } from "../base/shape.ts";
import { startingValues } from "../model/init.ts";
import type { ParameterSpec } from "../model/parameters.ts";
import { stateNames } from "../optim/update.ts";
import { lastingOf } from "../plan/plan.ts";
import type { Executor } from "./executor.ts";

/** A tensor of the state, by its canonical name. */
export interface StateTensor {
  readonly name: string;
  readonly shape: Shape;
}

/** The parameters as a checkpoint lists them. */
export function parameterTensors(specs: readonly ParameterSpec[]): StateTensor[] {
  return specs.map(({ name, shape }) => ({ name, shape }));
}

/** The optimisers' state as a checkpoint lists it. */
export function optimiserTensors(specs: readonly ParameterSpec[]): StateTensor[] {
  return specs.flatMap((spec) => stateNames(spec).map((name) => ({ name, shape: spec.shape })));
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

/** Bytes of one element of a state tensor on this device: 4, or 8 on the reference device. */
export function stateElementBytes(executor: Executor, name: string): number {
  return bytesOf(lastingOf(executor.plan, name).dtype);
}
