// Starting values: drawn by counter, so that any piece of any parameter can be made alone and every device, rank and
// thread count starts from the same bits. Puts nothing into a device's memory; which parameter starts how is in
// parameters.ts. May import lib/base and the parameter list.

import { RandomStream, toUnit } from "../base/random.ts";
import { elementCount } from "../base/shape.ts";
import type { ParameterSpec } from "./parameters.ts";

/**
 * Elements `first` .. `first + count - 1` (row-major; `first` a multiple of 4) of parameter number `index`, float32.
 * Uniform: (2u - 1)·bound. Normal: Box-Muller on neighbouring pairs, the cosine first. All in float64, then rounded.
 */
export function startingValues(
  spec: ParameterSpec,
  index: number,
  seed: number,
  first = 0,
  count = elementCount(spec.shape) - first,
): Float32Array {
  const values = new Float32Array(count);
  const { start } = spec;
  switch (start.kind) {
    case "constant":
      return values.fill(start.value);
    case "values":
      return values.map((_, i) => start.values[first + i] ?? NaN);
    case "uniform": {
      const words = drawn(seed, index, first, count);
      return values.map((_, i) => (2 * toUnit(words[i] ?? 0) - 1) * start.bound);
    }
    case "normal":
      return fillNormal(values, drawn(seed, index, first, count));
    default:
      return start satisfies never;
  }
}

/** Words for `count` elements, made even so that the last pair is whole. */
function drawn(seed: number, index: number, first: number, count: number): Uint32Array {
  const words = new Uint32Array(count + count % 2);
  new RandomStream(seed, index).words(first, words);
  return words;
}

function fillNormal(values: Float32Array, words: Uint32Array): Float32Array {
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(toUnit(words[i] ?? 0)));
    const angle = 2 * Math.PI * toUnit(words[i + 1] ?? 0);
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
