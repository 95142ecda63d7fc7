// The course of a noisy curve: a running mean in which a point's weight halves every so many points. Looks back only,
// so that what was shown does not change as a run goes on. Fills no gaps: a value that is not a number stays one.
// Imports nothing.

/**
 * The weighted mean of the values so far, the weight of a value `age` values back being 2^(-age / halfLife), normalised
 * by the sum of the weights (so the beginning is not drawn towards zero). `halfLife` in values, above 0.
 */
export class RunningMean {
  readonly #decay: number;
  #sum = 0;
  #weight = 0;

  constructor(halfLife: number) {
    if (!(halfLife > 0)) throw new RangeError(`Expected a half-life above 0, got ${halfLife}`);
    this.#decay = 2 ** (-1 / halfLife);
  }

  /** Takes a value; returns the mean. A NaN is passed over: NaN is returned for it, and it has no effect on the others. */
  add(value: number): number {
    this.#sum *= this.#decay;
    this.#weight *= this.#decay;
    if (Number.isNaN(value)) return NaN;
    this.#sum += value;
    this.#weight += 1;
    return this.#sum / this.#weight;
  }
}

/** The RunningMean at each value. */
export function smooth(y: ArrayLike<number>, halfLife: number): Float64Array {
  const mean = new RunningMean(halfLife);
  return Float64Array.from({ length: y.length }, (_, i) => mean.add(y[i] ?? NaN));
}
