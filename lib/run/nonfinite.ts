// Finds where a NaN or infinity came from, once one has been seen: slow and thorough, never part of a good step.
// Repairs nothing; running a program again overwrites its outputs, so that what they held must have been saved
// before. May import lib/base, lib/run, the op table and the plan.

import { lastingOf, type Step } from "../plan/plan.ts";
import { elementCount } from "../base/shape.ts";
import { OPS } from "../graph/ops.ts";
import type { Executor } from "./executor.ts";

/** Elements looked at in one go: a large table never lies twice in memory. */
const PART = 1 << 20;

/** The first parameter that holds a NaN or infinity, if any. */
export function firstBadParameter(executor: Executor, names: readonly string[]): string | undefined {
  return names.find((name) => {
    const count = elementCount(lastingOf(executor.plan, name).shape);
    for (let first = 0; first < count; first += PART) {
      if (!allFinite(executor.read(name, first, Math.min(PART, count - first)))) return true;
    }
    return false;
  });
}

/** Runs a program again and returns the first tensor whose values are not finite, with the op that made it. */
export function firstBadTensor(executor: Executor, program: string): string | undefined {
  let found: string | undefined;
  executor.run(program, {
    stop: () => found !== undefined,
    after: (step) => found = badOutput(executor, step),
  });
  return found;
}

function badOutput(executor: Executor, step: Step): string | undefined {
  if (step.kind === "collective") return undefined; // gradients and parameters, which are looked at in their own time
  const outputs = step.tensors.slice(0, OPS[step.op].outputs.length);
  const bad = outputs.find((place) =>
    place.dtype !== "i32" && !allFinite(executor.readPlace(place, elementCount(place.shape)))
  );
  if (!bad) return undefined;
  const inputs = step.tensors.slice(outputs.length).map((place) => place.name).join(", ");
  return `${bad.name} of ${step.op}(${inputs})`;
}

function allFinite(values: Float64Array): boolean {
  return values.every(Number.isFinite);
}
