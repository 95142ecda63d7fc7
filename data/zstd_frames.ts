// Where the frames of a zstd file begin and end, read off their headers (RFC 8878, section 3.1), so that each can be
// decompressed by itself and a file that is cut short is noticed. Decompresses nothing: blocks pass through as they are.
// A faulty header is a UserError. Imports only lib/base.

import { UserError } from "../lib/base/errors.ts";

const FRAME_MAGIC = 0xfd2fb528;
/** The first of sixteen numbers that open a frame to be skipped. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const MOST_BLOCK_BYTES = 128 << 10;
const RAW = 0, RLE = 1, COMPRESSED = 2;

export class ZstdReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #name: string;
  #held = new Uint8Array(0);
  #magic = new Uint8Array(0);
  /** Frames met so far. */
  #frames = 0;

  constructor(chunks: AsyncIterator<Uint8Array>, name: string) {
    this.#chunks = chunks;
    this.#name = name;
  }

  /** Goes to the next frame; false at the end of the file. The frame before must have been read. */
  async nextFrame(): Promise<boolean> {
    while (true) {
      if (this.#held.length === 0 && !await this.#more()) {
        if (this.#frames > 0) return false;
        throw this.#problem("it is empty");
      }
      this.#magic = await this.#take(4);
      this.#frames++;
      const magic = wordOf(this.#magic);
      if (magic === FRAME_MAGIC) return true;
      if ((magic & ~15) >>> 0 !== SKIPPABLE_MAGIC) {
        throw this.#problem(this.#frames > 1 ? "something else follows its last frame" : "it is not zstd");
      }
      for (let left = wordOf(await this.#take(4)); left > 0;) {
        left -= (await this.#take(Math.min(left, MOST_BLOCK_BYTES))).length;
      }
    }
  }

  /** The bytes of the frame, from its first to its last. */
  async *frame(): AsyncGenerator<Uint8Array, void, void> {
    const descriptor = await this.#take(1);
    const [flags = 0] = descriptor;
    const isSingleSegment = (flags & 0x20) !== 0;
    const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
    const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
    yield this.#magic;
    yield descriptor;
    yield await this.#take((isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes);
    for (let isLast = false; !isLast;) {
      const header = await this.#take(3);
      const [low = 0, middle = 0, high = 0] = header;
      isLast = (low & 1) === 1;
      const kind = (low >> 1) & 3, size = (low >> 3) | (middle << 5) | (high << 13);
      const isKnown = kind === RAW || kind === RLE || kind === COMPRESSED;
      if (!isKnown || (kind !== RLE && size > MOST_BLOCK_BYTES)) throw this.#problem("a block is damaged");
      yield header;
      yield await this.#take(kind === RLE ? 1 : size);
    }
    const hasChecksum = (flags & 4) !== 0;
    if (hasChecksum) yield await this.#take(4);
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done) return false;
    const joined = new Uint8Array(this.#held.length + value.length);
    joined.set(this.#held);
    joined.set(value, this.#held.length);
    this.#held = joined;
    return true;
  }

  /** The next `count` bytes. */
  async #take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#held.length < count) {
      if (!await this.#more()) throw this.#problem("it is cut short");
    }
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  #problem(found: string): UserError {
    return new UserError(`Cannot decompress ${this.#name} as zstd: ${found}; fetch or make the file again`);
  }
}

/** Four bytes as a number, the lowest first. */
function wordOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}
