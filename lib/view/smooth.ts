// The course of a noisy curve: a running mean in which a point's weight halves every so many points. Looks back only,
// so that what was shown does not change as a run goes on. Fills no gaps: a value that is not a number stays one.
// Imports nothing.

/**
 * The weighted mean of each value and those before it, the weight of a value `age` points back being
 * 2^(-age / halfLife), normalised by the sum of the weights (so the beginning is not drawn towards zero). NaN values are
 * passed over: NaN in the result at their own place, without effect on the others. `halfLife` in points, above 0.
 */
export function smooth(y: ArrayLike<number>, halfLife: number): Float64Array {
  if (!(halfLife > 0)) throw new RangeError(`Expected a half-life above 0, got ${halfLife}`);
  const decay = 2 ** (-1 / halfLife);
  let [sum, weight] = [0, 0];
  return Float64Array.from({ length: y.length }, (_, i) => {
    const value = y[i] ?? NaN;
    sum *= decay;
    weight *= decay;
    if (Number.isNaN(value)) return NaN;
    sum += value;
    weight += 1;
    return sum / weight;
  });
}
