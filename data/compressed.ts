// Sources that decompress gzip (of one or more members) and zstd (of one or more frames) while they are read, holding a
// few blocks in memory at a time. A stream that is cut short, damaged or followed by something else is a UserError with
// the file. Detects no damage that the format has no checksum against. Imports only lib/base and this folder.

import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { type ByteSource, readSome } from "./text_files.ts";
import { ZstdReader } from "./zstd_frames.ts";

export type Compression = "gz" | "zst";

const BLOCK_BYTES = 1 << 18;

/** The decompressed content of `source`; `name` is for messages. */
export function decompress(source: ByteSource, compression: Compression, name: string): ByteSource {
  return new ChunkSource(compression === "gz" ? gunzip(source, name) : unzstd(source, name));
}

/** Chunks of any size as a source. */
class ChunkSource implements ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#held.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return null;
      this.#held = value;
    }
    const part = this.#held.subarray(0, into.length);
    into.set(part);
    this.#held = this.#held.subarray(part.length);
    return part.length;
  }
}

async function* blocksOf(source: ByteSource, name: string): AsyncGenerator<Uint8Array, void, void> {
  for (let offset = 0;;) {
    const block = new Uint8Array(BLOCK_BYTES); // a new one each: a stream keeps what it was given for a while
    const got = await readSome(source, name, block, offset);
    if (got === null) return;
    yield block.subarray(0, got);
    offset += got;
  }
}

async function* gunzip(source: ByteSource, name: string): AsyncGenerator<Uint8Array, void, void> {
  yield* through(blocksOf(source, name), createGunzip({ chunkSize: BLOCK_BYTES }), `${name} as gzip`);
}

/** Each frame by a decompressor of its own, which Deno's needs: it does not see where a frame ends, nor that one lacks. */
async function* unzstd(source: ByteSource, name: string): AsyncGenerator<Uint8Array, void, void> {
  const reader = new ZstdReader(blocksOf(source, name), name);
  while (await reader.nextFrame()) {
    yield* through(reader.frame(), createZstdDecompress({ chunkSize: BLOCK_BYTES }), `${name} as zstd`);
  }
}

/** What `decoder` makes of `input`. */
async function* through(
  input: AsyncIterable<Uint8Array>,
  decoder: Transform,
  what: string,
): AsyncGenerator<Uint8Array, void, void> {
  const output = pipeline(Readable.from(input), decoder, () => {}); // an error reaches the reader below
  output.on("error", () => {}); // also one that comes when nobody reads any more
  try {
    for await (const chunk of output) yield chunk;
  } catch (error) {
    if (error instanceof UserError || error instanceof RunError) throw error;
    throw new UserError(`Cannot decompress ${what}: ${messageOf(error)}; fetch or make the file again`);
  }
}
