// Counter-based random numbers: any element of any stream can be drawn alone, on any rank or thread. Philox4x32-10 of
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Holds no hidden state and takes no seed
// from the clock; not for secrets. Importable by all; imports nothing.

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** The four 32-bit words of a counter under a key, after ten rounds. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(M0, c0);
    const [high1, low1] = multiply(M1, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** High and low word of a 32 x 32 bit product. */
function multiply(a: number, b: number): [number, number] {
  const low = Math.imul(a, b) >>> 0;
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor(aLow * bLow / 0x10000);
  const cross = aLow * bHigh + (middle % 0x10000);
  const high = aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
  return [high >>> 0, low];
}

/** One stream of numbers in (0, 1): `stream` is a parameter's number, or any other number of the caller's. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #stream: number;

  /** `seed` is a whole number below 2^53. */
  constructor(seed: number, stream: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#stream = stream;
  }

  /** Fills `words` with the 32-bit words from number `first` (a multiple of 4) on. */
  words(first: number, words: Uint32Array): void {
    for (let i = 0; i < words.length; i += 4) {
      const block = (first + i) / 4;
      const four = philox([block >>> 0, Math.floor(block / 2 ** 32), this.#stream, 0], this.#key);
      for (let j = 0; j < 4 && i + j < words.length; j++) words[i + j] = four[j] ?? 0;
    }
  }

  /** The number in (0, 1) that word `index` stands for. */
  unit(index: number): number {
    const four = new Uint32Array(4);
    this.words(index - index % 4, four);
    return toUnit(four[index % 4] ?? 0);
  }
}

/** A word's top 24 bits, plus one half, over 2^24: strictly inside (0, 1). */
export function toUnit(word: number): number {
  return ((word >>> 8) + 0.5) / 2 ** 24;
}
