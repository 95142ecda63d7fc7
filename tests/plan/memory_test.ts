// Placement of short-lived tensors: over many random sets of blocks, no two that live at once share bytes, offsets are
// aligned, and the total is neither less than what lives at once nor more than everything side by side.

import { assert, assertEquals } from "@std/assert";
import { RandomStream } from "../../lib/base/random.ts";
import { aligned, ALIGNMENT, type Block, placeBlocks } from "../../lib/plan/memory.ts";

function randomBlocks(seed: number): Block[] {
  const stream = new RandomStream(seed, 0);
  const draw = (index: number, below: number) => Math.floor(stream.unit(index) * below);
  const count = 1 + draw(0, 60);
  return Array.from({ length: count }, (_, i) => {
    const start = draw(4 * i + 1, 40);
    return { bytes: draw(4 * i + 2, 2000), start, end: start + draw(4 * i + 3, 15), offset: -1 };
  });
}

function liveTogether(a: Block, b: Block): boolean {
  return a.start <= b.end && b.start <= a.end;
}

function shareBytes(a: Block, b: Block): boolean {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

Deno.test("blocks that live at once never share bytes", () => {
  let reused = 0;
  for (let seed = 0; seed < 200; seed++) {
    const blocks = randomBlocks(seed);
    const total = placeBlocks(blocks);
    blocks.forEach((block, i) => {
      assert(block.offset >= 0 && block.offset % ALIGNMENT === 0);
      assert(block.offset + block.bytes <= total);
      for (const other of blocks.slice(i + 1)) {
        if (liveTogether(block, other)) assert(!shareBytes(block, other), `seed ${seed}`);
        else if (shareBytes(block, other)) reused++;
      }
    });
    const sum = blocks.reduce((bytes, block) => bytes + aligned(block.bytes), 0);
    const atOnce = Array.from(
      { length: 60 },
      (_, step) =>
        blocks.filter((block) => block.start <= step && step <= block.end)
          .reduce((bytes, block) => bytes + block.bytes, 0),
    );
    assert(total <= sum && total >= Math.max(...atOnce), `seed ${seed}`);
  }
  assert(reused > 1000, "memory of the dead is used again");
});

Deno.test("blocks that never meet lie in the same bytes; those that do, side by side", () => {
  const block = (bytes: number, start: number, end: number): Block => ({ bytes, start, end, offset: -1 });
  const apart = [block(100, 0, 1), block(100, 2, 3), block(50, 4, 9)];
  assertEquals(placeBlocks(apart), 128);
  assertEquals(apart.map(({ offset }) => offset), [0, 0, 0]);
  // The last step of one is the first of the other: the kernel reads one while it writes the other.
  assertEquals(placeBlocks([block(100, 0, 1), block(100, 1, 2)]), 256);
  assertEquals(placeBlocks([]), 0);
});
