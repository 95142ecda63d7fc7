// The curves that charts of runs draw, as points: over steps, tokens or time, raw or smoothed. The same for the page and
// for figures in files. Chooses no colour and draws nothing; a record without the number a curve needs is no point of it.
// May import lib/optim/schedule.ts, smooth.ts and the page's model.

import { momentumAt, rateAt } from "../optim/schedule.ts";
import type { Numbers, RunTable, RunView } from "./page_model.ts";
import { smooth } from "./smooth.ts";

/** What a curve is drawn over. */
export type Axis = "step" | "tokens" | "time";

/** Points of one curve; `x` ascends, both are finite. */
export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Points that a schedule's curve is drawn with: more than it has corners by far. */
const SCHEDULE_POINTS = 400;

/** A column of a run. */
export function columnCurve(run: RunView, axis: Axis, column: Numbers): Curve {
  return points(axisOf(run, axis, run.table), column);
}

/** The smoothed training loss: the weight of a step halves every `halfLife` steps. */
export function smoothedLoss(run: RunView, axis: Axis, halfLife: number): Curve {
  const { means, table } = run;
  // Between the points of a long run lie others that count as well: their means do, when all are not there.
  const { trainLoss, every, of } = means
    ? { trainLoss: means.trainLoss, every: means.every, of: means }
    : { trainLoss: table.trainLoss, every: 1, of: table };
  const numbers = trainLoss.map((value) => value ?? NaN);
  return points(axisOf(run, axis, of), [...smooth(numbers, halfLife / every)]);
}

/** Rate and momentum of a run from its first step to its last; undefined where its schedule is not known. */
export function scheduleCurves(run: RunView, axis: Axis): { rate: Curve; momentum: Curve } | undefined {
  const { schedule, tokensPerStep } = run;
  if (schedule === null) return undefined;
  const every = Math.max(1, schedule.steps / SCHEDULE_POINTS);
  const count = Math.ceil(schedule.steps / every);
  const steps = Array.from({ length: count }, (_, i) => 1 + Math.round(i * every)).filter((step) =>
    step < schedule.steps
  );
  steps.push(schedule.steps);
  const x = axis === "tokens" ? steps.map((step) => step * (tokensPerStep ?? NaN)) : steps;
  return {
    rate: points(x, steps.map((step) => rateAt(schedule, step - 1))),
    momentum: points(x, steps.map((step) => momentumAt(schedule, step - 1))),
  };
}

/** Where the records of a table lie on an axis. */
function axisOf(run: RunView, axis: Axis, table: Pick<RunTable, "step" | "seconds">): Numbers {
  switch (axis) {
    case "step":
      return table.step;
    case "time":
      return table.seconds;
    case "tokens":
      return table.step.map((step) => run.tokensPerStep === null ? null : step * run.tokensPerStep);
    default:
      return axis satisfies never;
  }
}

function points(x: Numbers, y: Numbers): Curve {
  const curve: { x: number[]; y: number[] } = { x: [], y: [] };
  x.forEach((at, i) => {
    const value = y[i];
    if (!isNumber(at) || !isNumber(value)) return;
    curve.x.push(at);
    curve.y.push(value);
  });
  return curve;
}

function isNumber(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
