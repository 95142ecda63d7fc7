// The one comparator of the project: every test, golden and curve that weighs numbers against expected numbers asks
// here. It accepts only on `difference <= allowed` with both numbers finite, so a NaN, an infinity, a wrong shape or an
// empty tensor never passes, and no average can hide an element. Refuses tolerances that could not fail (NaN, negative,
// infinite). Importable by all; imports lib/base only.

import { InternalError } from "./errors.ts";
import { elementCount, formatShape, sameShape, type Shape } from "./shape.ts";

/** Each element alone: |actual - expected| <= absolute + relative * |expected|. Left out means 0; `{}` is exact. */
export interface ElementTolerance {
  readonly absolute?: number;
  readonly relative?: number;
  readonly mark?: never;
  readonly floor?: never;
}

/** All elements together, in the Euclidean norm: ||actual - expected|| <= mark * ||expected|| + floor. */
export interface NormTolerance {
  readonly mark: number;
  /** An absolute number, in the unit of the elements; left out means 0. */
  readonly floor?: number;
  readonly absolute?: never;
  readonly relative?: never;
}

/** How far apart two tensors may lie. */
export type Tolerance = ElementTolerance | NormTolerance;

/** Shapes of both sides, where they have any; they must be equal and hold as many elements as are given. */
export interface Shapes {
  readonly actual: Shape;
  readonly expected: Shape;
}

/** One pair of elements; `index` counts elements in row-major order. */
export interface WorstElement {
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  /** |actual - expected|; NaN or infinite where one of them is. */
  readonly difference: number;
}

/** What a comparison found. */
export interface Comparison {
  readonly pass: boolean;
  /** The element that fails most (by element: against its own tolerance); none when there was nothing to compare. */
  readonly worst: WorstElement | undefined;
  /** By element: of the worst one. In the norm: ||actual - expected||. */
  readonly difference: number;
  /** What the tolerance allows `difference` to be. */
  readonly allowed: number;
  /** `difference` over `allowed`: at most 1 when passed, infinite when incomparable. */
  readonly ratio: number;
  /** `difference` over |expected| or ||expected||. */
  readonly relative: number;
  /** One line: the verdict with its figures. */
  readonly reason: string;
}

/** Compares two tensors, or lists of numbers, element by element or in the norm as `tolerance` says. */
export function compare(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  shapes?: Shapes,
): Comparison {
  checkTolerance(tolerance);
  const mismatch = shapeProblem(actual.length, expected.length, shapes);
  if (mismatch !== undefined) return incomparable(mismatch, undefined);
  for (let index = 0; index < expected.length; index++) {
    const a = actual[index] ?? NaN, e = expected[index] ?? NaN;
    if (Number.isFinite(a) && Number.isFinite(e)) continue;
    const worst = { index, actual: a, expected: e, difference: Math.abs(a - e) };
    return incomparable(`not finite: ${describe(worst, shapes)}`, worst);
  }
  return tolerance.mark === undefined
    ? byElement(actual, expected, tolerance, shapes)
    : byNorm(actual, expected, tolerance, shapes);
}

/** Throws the comparison's reason, after `what`, unless it passes. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what = "Comparison",
  shapes?: Shapes,
): void {
  const result = compare(actual, expected, tolerance, shapes);
  if (!result.pass) throw new Error(`${what}: ${result.reason}`);
}

function checkTolerance(tolerance: Tolerance): void {
  const { absolute = 0, relative = 0, mark = 0, floor = 0 } = tolerance;
  for (const [name, value] of Object.entries({ absolute, relative, mark, floor })) {
    if (!(value >= 0 && value < Infinity)) {
      throw new InternalError(`tolerance ${name} is ${value}, expected a finite number of at least 0`);
    }
  }
}

function shapeProblem(actual: number, expected: number, shapes: Shapes | undefined): string | undefined {
  if (shapes !== undefined && !sameShape(shapes.actual, shapes.expected)) {
    return `shapes differ: ${formatShape(shapes.actual)}, expected ${formatShape(shapes.expected)}`;
  }
  if (actual !== expected) return `lengths differ: ${actual} elements, expected ${expected}`;
  if (expected === 0) return "no elements to compare";
  if (shapes !== undefined && elementCount(shapes.expected) !== expected) {
    return `shape ${formatShape(shapes.expected)} does not hold the ${expected} elements given`;
  }
  return undefined;
}

function incomparable(reason: string, worst: WorstElement | undefined): Comparison {
  const never = { difference: Infinity, allowed: 0, ratio: Infinity, relative: Infinity };
  return { pass: false, worst, ...never, reason };
}

/** How the element stands against its tolerance; 0 for an exact match, also where nothing is allowed. */
function share(difference: number, allowed: number): number {
  return difference === 0 ? 0 : difference / allowed;
}

function byElement(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 0, relative = 0 }: ElementTolerance,
  shapes: Shapes | undefined,
): Comparison {
  let pass = true;
  let worst: WorstElement | undefined;
  let [allowed, ratio] = [absolute, -1];
  for (let index = 0; index < expected.length; index++) {
    const a = actual[index] ?? NaN, e = expected[index] ?? NaN;
    const difference = Math.abs(a - e), bound = absolute + relative * Math.abs(e);
    const accepted = difference <= bound && difference < Infinity;
    const r = difference < Infinity ? share(difference, bound) : Infinity;
    if (r > ratio || (pass && !accepted)) {
      worst = { index, actual: a, expected: e, difference };
      [allowed, ratio] = [bound, r];
    }
    pass = pass && accepted;
  }
  if (worst === undefined) return incomparable("no elements to compare", worst);
  const { difference } = worst;
  const text = `${describe(worst, shapes)}, allowed ${figure(allowed)}`;
  const reason = `${pass ? "within" : "outside"} tolerance, worst ${text} (${figure(ratio)} of it)`;
  return {
    pass,
    worst,
    difference,
    allowed,
    ratio,
    relative: share(difference, Math.abs(worst.expected)),
    reason,
  };
}

function byNorm(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { mark, floor = 0 }: NormTolerance,
  shapes: Shapes | undefined,
): Comparison {
  let index = 0;
  const differenceAt = (i: number) => Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
  for (let i = 1; i < expected.length; i++) if (differenceAt(i) > differenceAt(index)) index = i;
  const worst = {
    index,
    actual: actual[index] ?? NaN,
    expected: expected[index] ?? NaN,
    difference: differenceAt(index),
  };
  const difference = norm(expected.length, differenceAt);
  const size = norm(expected.length, (i) => expected[i] ?? NaN);
  const allowed = mark * size + floor;
  const pass = difference <= allowed && difference < Infinity;
  const ratio = difference < Infinity ? share(difference, allowed) : Infinity;
  const reason =
    `${pass ? "within" : "outside"} tolerance, norm of the difference ${figure(difference)}, allowed ` +
    `${figure(allowed)} (${figure(ratio)} of it) at norm ${figure(size)}, worst ${describe(worst, shapes)}`;
  return { pass, worst, difference, allowed, ratio, relative: share(difference, size), reason };
}

/** Euclidean norm, scaled by the largest element so that no square overflows or vanishes. */
function norm(count: number, valueAt: (index: number) => number): number {
  let largest = 0;
  for (let i = 0; i < count; i++) {
    const size = Math.abs(valueAt(i));
    if (!(size < Infinity)) return Infinity;
    if (size > largest) largest = size;
  }
  if (largest === 0) return 0;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (valueAt(i) / largest) ** 2;
  return largest * Math.sqrt(sum);
}

/** "at [1, 2] (5): 0.5, expected 0.25, difference 2.50e-1" */
function describe(worst: WorstElement, shapes: Shapes | undefined): string {
  const { index, actual, expected, difference } = worst;
  const at = shapes === undefined
    ? `${index}`
    : `[${coordinates(index, shapes.expected).join(", ")}] (${index})`;
  return `at ${at}: ${actual}, expected ${expected}, difference ${figure(difference)}`;
}

function coordinates(index: number, shape: Shape): number[] {
  const places: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    places.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return places;
}

/** Three significant digits. */
function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  return value >= 0.001 && value < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}
