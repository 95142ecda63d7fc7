// Element types: their sizes, their codes in the C ABI, and the conversion between float32 and bf16 (round to
// nearest, ties to even). Knows single elements only; tensors' shapes are in shape.ts. Rounds nothing but to bf16.
// Importable by all; imports nothing.

/** Element type of a tensor. `f64` exists on the reference device only, which holds every real number as one. */
export type DType = "f64" | "f32" | "bf16" | "i32";

const BYTES: Record<DType, number> = { f64: 8, f32: 4, bf16: 2, i32: 4 };

/** Bytes of one element. */
export function bytesOf(dtype: DType): number {
  return BYTES[dtype];
}

/** The type in which sums, losses and parameters that go with activations of type `act` are held. */
export function realOf(act: DType): DType {
  return act === "f64" ? "f64" : "f32";
}

/** The C ABI's code of a floating type (kernels/abi.h); the reference device, which ignores it, gets float32's. */
export function dtypeCode(dtype: DType): number {
  return dtype === "bf16" ? 1 : 0;
}

/** The float32 value of a bf16 word. */
export function bf16ToFloat(word: number): number {
  bits[0] = word << 16;
  return float[0] ?? NaN;
}

/** The bf16 word nearest to `value`, ties to even, NaN kept. */
export function floatToBf16(value: number): number {
  float[0] = value;
  const u = bits[0] ?? 0;
  if (value !== value) return (u >>> 16) | 0x40;
  return ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff;
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
