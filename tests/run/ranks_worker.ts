// One rank of ranks_test.ts: goes through every way of telling the others, and posts what it has heard. Not a test itself.

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { type RankPlace, Ranks } from "../../lib/run/ranks.ts";

/** What a rank has heard, or why it ended. */
export interface Heard {
  readonly gathered: number[][];
  readonly any: boolean[];
  readonly bytes: string;
  readonly text: string;
  readonly together: string[];
}

async function together(ranks: Ranks, bad: number): Promise<string> {
  try {
    return await ranks.together(() =>
      ranks.rank === bad ? Promise.reject(new RangeError("bad")) : Promise.resolve("good")
    );
  } catch (error) {
    return error instanceof Error ? error.name : "?";
  }
}

async function hear(ranks: Ranks): Promise<Heard> {
  const { rank } = ranks;
  const bytes = new Uint8Array(5_000_000).fill(rank); // more than goes at a time
  ranks.share(1, bytes);
  return {
    gathered: ranks.gather(Array.from({ length: 100 }, (_, i) => 1000 * rank + i)),
    any: [ranks.any(false), ranks.any(rank === 2), ranks.any(true)],
    bytes: [...new Set(bytes)].join(),
    text: ranks.shareText(2, () => `from ${rank}: Grüße`),
    together: [await together(ranks, -1), await together(ranks, 1), await together(ranks, -1)],
  };
}

self.onmessage = async ({ data }: MessageEvent<{ place: RankPlace; leaver: number }>) => {
  const ranks = new Ranks(data.place);
  try {
    if (ranks.rank === data.leaver) {
      ranks.leave();
      self.postMessage("left");
    } else self.postMessage(await hear(ranks));
  } catch (error) {
    self.postMessage(error instanceof Error ? error.name : "?");
  }
  self.close();
};
