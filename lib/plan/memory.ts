// Places short-lived tensors in one arena: tensors whose lifetimes overlap get disjoint bytes, the others share.
// Knows sizes and lifetimes only, no tensor, and allocates nothing. Greedy: it looks for a good placement, not for
// the best. Imports nothing.

/** Bytes needed from step `start` to step `end`, both included. `offset` is where they were placed. */
export interface Block {
  readonly bytes: number;
  readonly start: number;
  end: number;
  offset: number;
}

/** Alignment of every tensor: a cache line, and the widest vector. */
export const ALIGNMENT = 64;

/** `bytes` rounded up to whole alignment units. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/**
 * Sets the offset of every block, from 0, and returns the bytes needed. Largest first, each at the lowest offset
 * where it fits between the blocks that live at the same time.
 */
export function placeBlocks(blocks: readonly Block[]): number {
  const placed: Block[] = [];
  let total = 0;
  for (const block of [...blocks].sort((a, b) => b.bytes - a.bytes || a.start - b.start)) {
    const rivals = placed.filter((other) => other.start <= block.end && block.start <= other.end)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + block.bytes <= rival.offset) break;
      offset = Math.max(offset, rival.offset + aligned(rival.bytes));
    }
    block.offset = offset;
    placed.push(block);
    total = Math.max(total, offset + aligned(block.bytes));
  }
  return total;
}
