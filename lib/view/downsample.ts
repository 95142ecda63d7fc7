// Fewer points of a curve for a drawing of limited width, without losing a spike: of each stretch the lowest and the
// highest point, and the curve's first and last. Says which points, changes none and averages nothing (smooth.ts does).
// Imports nothing.

/**
 * Indices into `x` and `y`, ascending, of at most `most` points (at least 4): the first and the last, and of each of
 * equally wide stretches of `x` the lowest and the highest. Points where x or y is not finite are never among them; if
 * no more than `most` are, these are all of them. `x` must ascend.
 */
export function downsample(x: ArrayLike<number>, y: ArrayLike<number>, most: number): Uint32Array {
  if (!(most >= 4) || x.length !== y.length) {
    throw new RangeError(
      `Expected at least 4 points and as many x as y, got ${most}, ${x.length}, ${y.length}`,
    );
  }
  const finite = finiteIndices(x, y);
  const [first, last] = [finite[0], finite.at(-1)];
  if (finite.length <= most || first === undefined || last === undefined) return finite;
  const buckets = Math.floor((most - 2) / 2);
  const from = valueAt(x, first);
  const width = (valueAt(x, last) - from) / buckets;
  const kept = new Set([first, last]);
  let [bucket, low, high] = [-1, first, first];
  for (const i of finite.subarray(1, -1)) {
    const own = width > 0 ? Math.min(buckets - 1, Math.floor((valueAt(x, i) - from) / width)) : 0;
    if (own !== bucket) {
      kept.add(low).add(high);
      [bucket, low, high] = [own, i, i];
    }
    if (valueAt(y, i) < valueAt(y, low)) low = i;
    if (valueAt(y, i) > valueAt(y, high)) high = i;
  }
  kept.add(low).add(high);
  return Uint32Array.from(kept).sort();
}

function valueAt(values: ArrayLike<number>, i: number): number {
  return values[i] ?? NaN;
}

/** Where both are finite, ascending. */
export function finiteIndices(x: ArrayLike<number>, y: ArrayLike<number>): Uint32Array {
  const indices = new Uint32Array(x.length);
  let count = 0;
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(x[i]) && Number.isFinite(y[i])) indices[count++] = i;
  }
  return indices.subarray(0, count);
}

/** The values at these indices. */
export function pick(values: Float64Array, indices: Uint32Array): Float64Array {
  const picked = new Float64Array(indices.length);
  for (let i = 0; i < indices.length; i++) picked[i] = values[indices[i] ?? 0] ?? NaN;
  return picked;
}
