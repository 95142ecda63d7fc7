// Shapes and the one dimension legend of the project. Importable by all.
//
//   B sequences in a microbatch     T tokens in a sequence     N = B*T rows of a microbatch
//   C model width (dim)             H heads                    D = C/H head width (even)
//   V vocabulary                    L layers (even)
//
// Activations are (N, C): row n is token n mod T of sequence floor(n / T). Heads lie side by side in a row: (N, H, D).

/** Sizes of a tensor's axes, outermost first. */
export type Shape = readonly number[];

/** Number of elements. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** "4096x768", or "1" for one element. */
export function formatShape(shape: Shape): string {
  return shape.join("x");
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
