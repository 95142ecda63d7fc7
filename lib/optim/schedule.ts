// What changes from step to step: the trapezoid rate and Muon's momentum warm-up, and their place in the step's
// scalar buffer (kernels/abi.h). A pure function of the step's number: nothing is counted or remembered here, so that
// a resumed run goes on alike. Imports nothing.

/** Length of a run and of its ramps, in steps. */
export interface ScheduleConfig {
  readonly steps: number;
  readonly warmupSteps: number;
  readonly warmdownSteps: number;
}

/** Rates and constants of both optimisers, spelled as in config.json. */
export interface OptimConfig {
  readonly embedLr: number;
  readonly headLr: number;
  readonly scalarLr: number;
  readonly muonLr: number;
  readonly momentumStart: number;
  readonly momentumEnd: number;
  readonly momentumWarmupSteps: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly adamEps: number;
  readonly nsSteps: number;
}

/** The keys that Muon's momentum depends on. */
export type MomentumConfig = Pick<OptimConfig, "momentumStart" | "momentumEnd" | "momentumWarmupSteps">;

/** Floats in the scalar buffer: those of stepScalars, the guard's, which lasts from step to step, and some that are free. */
export const SCALAR_COUNT = 8;

/** Rate multiplier r(t) of step `t` (from 0): linear up over the warm-up, 1, linear down over the last warmdownSteps. */
export function rateAt(schedule: ScheduleConfig, t: number): number {
  const { steps, warmupSteps, warmdownSteps } = schedule;
  if (t < warmupSteps) return (t + 1) / warmupSteps;
  if (t < steps - warmdownSteps) return 1;
  return (steps - t) / warmdownSteps;
}

/** Muon's momentum at step `t`: from momentumStart to momentumEnd over momentumWarmupSteps; 0 means the end at once. */
export function momentumAt(optim: MomentumConfig, t: number): number {
  const { momentumStart, momentumEnd, momentumWarmupSteps } = optim;
  const share = momentumWarmupSteps > 0 ? Math.min(t / momentumWarmupSteps, 1) : 1;
  return (1 - share) * momentumStart + share * momentumEnd;
}

/** What the scalar buffer begins with at step `t`: rate, momentum, and Adam's two bias corrections 1/(1 - beta^(t+1)). */
export function stepScalars(schedule: ScheduleConfig, optim: OptimConfig, t: number): number[] {
  return [
    rateAt(schedule, t),
    momentumAt(optim, t),
    1 / (1 - optim.beta1 ** (t + 1)),
    1 / (1 - optim.beta2 ** (t + 1)),
  ];
}
