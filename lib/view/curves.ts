// The loss curves of a run for comparing: which points there are, the loss at any step, token count or second between
// them, and when a target was first passed. Between two points a curve is a straight line; beyond its ends there is none.
// May import its neighbours only.

import { finiteIndices, pick } from "./downsample.ts";
import type { RunData } from "./run_data.ts";
import { smooth } from "./smooth.ts";

/** What losses can be laid along. */
export type Axis = "steps" | "tokens" | "seconds";

/** Which loss is compared: validation, or the training loss smoothed. */
export type Measure = "validation" | "training";

/** Points of a loss along all axes; where an axis is not known, its values are NaN. */
export interface Curve extends Readonly<Record<Axis, Float64Array>> {
  readonly loss: Float64Array;
}

/** Half-life of the smoothing, as a share of a whole run's records: noise goes, the course of the schedule stays. */
const HALF_LIFE_SHARE = 1 / 50;

/** The half-life in records that training losses of a whole run of `records` are smoothed with. */
export function halfLifeOf(records: number): number {
  return Math.max(1, records * HALF_LIFE_SHARE);
}

/** The training losses smoothed, by the records that the run will have: what is shown stays as the run goes on. */
export function smoothedTraining({ columns: { step, trainLoss }, steps }: RunData): Float64Array {
  const last = step.at(-1) ?? 0;
  const whole = steps === undefined || last === 0 ? 1 : steps / last;
  return smooth(trainLoss, halfLifeOf(whole * trainLoss.length));
}

/** The curve of a run: only points that have the loss. */
export function curveOf(run: RunData, measure: Measure): Curve {
  const { step, tokens, seconds, valLoss } = run.columns;
  const loss = measure === "validation" ? valLoss : smoothedTraining(run);
  const at = finiteIndices(step, loss);
  return {
    steps: pick(step, at),
    tokens: pick(tokens, at),
    seconds: pick(seconds, at),
    loss: pick(loss, at),
  };
}

/** The part of an axis that a curve covers; undefined where it has fewer than two points or the axis is not known. */
export function rangeOf(curve: Curve, axis: Axis): readonly [number, number] | undefined {
  const [first, last] = [curve[axis].find(Number.isFinite), curve[axis].findLast(Number.isFinite)];
  return first === undefined || last === undefined || !(last > first) ? undefined : [first, last];
}

/** The loss at `at` along an axis; NaN outside the curve. */
export function lossAt(curve: Curve, axis: Axis, at: number): number {
  const x = curve[axis];
  const right = x.findIndex((value) => value >= at);
  if (right < 0) return NaN;
  const [x1 = NaN, y1 = NaN] = [x[right], curve.loss[right]];
  if (x1 === at) return y1;
  const [x0 = NaN, y0 = NaN] = [x[right - 1], curve.loss[right - 1]];
  return y0 + (y1 - y0) * (at - x0) / (x1 - x0);
}

/** Where a curve is first below a target. */
export interface Reached {
  readonly step: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** The first point below `target`; undefined: there is none. */
export function firstBelow(curve: Curve, target: number): Reached | undefined {
  const i = curve.loss.findIndex((loss) => loss < target);
  if (i < 0) return undefined;
  return { step: curve.steps[i] ?? NaN, tokens: curve.tokens[i] ?? NaN, seconds: curve.seconds[i] ?? NaN };
}
