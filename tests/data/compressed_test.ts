// gzip and zstd while they are read: several members and frames, small parts, and every way to be damaged.

import { assertEquals, assertRejects } from "@std/assert";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type Compression, decompress } from "../../data/compressed.ts";
import type { ByteSource } from "../../data/text_files.ts";
import { UserError } from "../../lib/base/errors.ts";
import { randomBelow } from "./helpers.ts";

const CHECKSUM = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const pack: Record<Compression, (bytes: Uint8Array) => Uint8Array> = {
  gz: (bytes) => gzipSync(bytes),
  zst: (bytes) => zstdCompressSync(bytes, CHECKSUM),
};

/** Gives `bytes` in parts of `partBytes`. */
function sourceOf(bytes: Uint8Array, partBytes: number): ByteSource {
  let at = 0;
  return {
    read(into) {
      const part = bytes.subarray(at, at + Math.min(partBytes, into.length));
      if (part.length === 0) return Promise.resolve(null);
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
  };
}

async function readAll(compression: Compression, bytes: Uint8Array, partBytes = 1 << 20): Promise<string> {
  const source = decompress(sourceOf(bytes, partBytes), compression, "in.txt");
  const chunk = new Uint8Array(100_000);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let got = await source.read(chunk); got !== null; got = await source.read(chunk)) {
    text += utf8.decode(chunk.subarray(0, got), { stream: true });
  }
  return text + utf8.decode();
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const below = randomBelow(9);
// A megabyte that compresses to about half: several blocks of zstd, several reads.
const LONG = Array.from({ length: 1 << 20 }, () => String.fromCharCode(97 + below(16))).join("");

for (const compression of ["gz", "zst"] as const) {
  Deno.test(`decompress() reads ${compression} of one or more parts, however they arrive`, async () => {
    const [long, short, empty] = [LONG, "na\u00efve", ""].map((text) => pack[compression](bytesOf(text)));
    if (!long || !short || !empty) throw new Error("nothing packed");
    assertEquals(await readAll(compression, short, 1), "na\u00efve");
    assertEquals(await readAll(compression, empty), "");
    const several = join(short, empty, short, short);
    for (const partBytes of [1, 7, 1 << 20]) {
      assertEquals(await readAll(compression, several, partBytes), "na\u00efvena\u00efvena\u00efve");
    }
    for (const partBytes of [65_537, 1 << 20]) {
      const text = await readAll(compression, join(short, long, long), partBytes);
      assertEquals(text === `na\u00efve${LONG}${LONG}`, true);
    }
  });

  Deno.test(`decompress() refuses ${compression} that is cut short, damaged or something else`, async () => {
    const long = pack[compression](bytesOf(LONG)), short = pack[compression](bytesOf("short"));
    const flipped = long.slice();
    flipped[300_000] = (flipped[300_000] ?? 0) ^ 0x10;
    const cases: [string, Uint8Array][] = [
      ["nothing", new Uint8Array()],
      ["text", bytesOf("This is not compressed")],
      ["no last byte", long.subarray(0, -1)],
      ["half", long.subarray(0, long.length >> 1)],
      ["a few bytes", short.subarray(0, 6)],
      ["second part cut", join(short, long.subarray(0, 1000))],
      ["second part's first byte", join(short, long.subarray(0, 1))],
      ["one bit", flipped],
      ["something behind", join(short, bytesOf("behind"))],
    ];
    for (const [what, bytes] of cases) {
      for (const partBytes of [1000, 1 << 20]) {
        const wanted = `Cannot decompress in.txt as ${compression === "gz" ? "gzip" : "zstd"}: `;
        await assertRejects(() => readAll(compression, bytes, partBytes), UserError, wanted, what);
      }
    }
  });
}

Deno.test("decompress() skips zstd's skippable frames and takes every form of header", async () => {
  const skipped = join(Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0), bytesOf("abc"));
  const plain = zstdCompressSync(bytesOf("plain"));
  const sized = zstdCompressSync(bytesOf("x".repeat(70_000)));
  const raw = zstdCompressSync(crypto.getRandomValues(new Uint8Array(10)).map((byte) => byte & 0x7f));
  const text = await readAll("zst", join(skipped, plain, skipped, sized, raw, skipped), 5);
  assertEquals([text.slice(0, 5), text.length], ["plain", 5 + 70_000 + 10]);
});
