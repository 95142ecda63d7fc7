// How the ranks of a run tell each other what they must agree on, as workers; and that none waits for one that has left.

import { assert, assertEquals } from "@std/assert";
import { LONE, placesFor, Ranks } from "../../lib/run/ranks.ts";
import type { Heard } from "./ranks_worker.ts";

/** What so many ranks answer; the rank `leaver` leaves at once. */
function answersOf(count: number, leaver = -1): Promise<unknown[]> {
  return Promise.all(
    placesFor(count).map((place) => {
      const worker = new Worker(new URL("ranks_worker.ts", import.meta.url), { type: "module" });
      return new Promise((done, fail) => {
        worker.onmessage = ({ data }: MessageEvent<Heard | string>) => done(data);
        worker.onerror = (event) => fail(new Error(event.message));
        worker.postMessage({ place, leaver });
      });
    }),
  );
}

Deno.test("ranks hear the numbers, bytes and text of each other, and fail together", async () => {
  const gathered = [0, 1, 2].map((rank) => Array.from({ length: 100 }, (_, i) => 1000 * rank + i));
  const answers = await answersOf(3);
  const wanted = { gathered, any: [false, true, true], bytes: "1", text: "from 2: Grüße" };
  for (const [rank, found] of answers.entries()) {
    const failure = rank === 1 ? "RangeError" : "RankLeft";
    assertEquals(found, { ...wanted, together: ["good", failure, "good"] }, `rank ${rank}`);
  }
});

Deno.test("a rank that has left ends the others at their next meeting", async () => {
  assertEquals(await answersOf(3, 1), ["RankLeft", "left", "RankLeft"]);
});

Deno.test("a lone rank meets nobody", async () => {
  const ranks = new Ranks(LONE);
  ranks.meet();
  assertEquals(ranks.gather([1, 2]), [[1, 2]]);
  assert(!ranks.any(false) && ranks.any(true) && ranks.isFirst);
  assertEquals(ranks.shareText(0, () => "text"), "text");
  assertEquals(await ranks.together(() => Promise.resolve(3)), 3);
});
