// The training loader against written-out index lists, a naive twin over many random shapes, exact resume, and the rule
// that what was read ahead never shows in the state.

import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { type Batch, DataLoader, type LoaderOptions, type LoaderState } from "../../data/loader.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, putShard, randomBelow, range, settle } from "./helpers.ts";

/** A batch as plain numbers, [tokens, targets] for each microbatch. */
const plain = (batch: Batch) => batch.microbatches.map(({ tokens, targets }) => [[...tokens], [...targets]]);

async function withLoader(
  options: LoaderOptions,
  body: (loader: DataLoader) => Promise<void>,
): Promise<void> {
  const loader = await DataLoader.open(options);
  try {
    await body(loader);
  } finally {
    await loader.close();
  }
}

/** Two shards at the edge: steps are 4 tokens; the first has 9 (two steps), the second 8 (one step). */
async function edgeShards(folder: string): Promise<string[]> {
  return [await putShard(folder, "0.bin", range(0, 9)), await putShard(folder, "1.bin", range(100, 8))];
}
const EDGE = { sequenceLength: 2, batchSequences: 2, deviceBatchSequences: 1, vocab: 1000 };

const EDGE_STEPS = [
  [[[0, 1], [1, 2]], [[2, 3], [3, 4]]],
  [[[4, 5], [5, 6]], [[6, 7], [7, 8]]], // position 4 + 4 < 9: the last target is the shard's last token
  [[[100, 101], [101, 102]], [[102, 103], [103, 104]]],
  [[[0, 1], [1, 2]], [[2, 3], [3, 4]]], // position 4 + 4 >= 8: on to the first shard
  [[[4, 5], [5, 6]], [[6, 7], [7, 8]]],
];
const EDGE_STATES = [[0, 0], [0, 4], [1, 0], [0, 0], [0, 4], [1, 0]] as const;

Deno.test("DataLoader serves the written-out steps over shards and around", () =>
  inFolder(async (folder) => {
    await withLoader({ ...EDGE, shards: await edgeShards(folder) }, async (loader) => {
      assertEquals(loader.describeShards().map(({ tokens }) => tokens), [9, 8]);
      for (const [step, expected] of EDGE_STEPS.entries()) {
        assertEquals(plain(await loader.next()), expected, `step ${step}`);
      }
    });
  }));

Deno.test("DataLoader.describeShards() tells shards of equal length apart by their ends", () =>
  inFolder(async (folder) => {
    const count = 100_000; // more than 64 KB of tokens at either end
    const changed = (at: number) => range(0, count).map((i) => i === at ? 999 : i % 999);
    const sha256 = async (name: string, tokens: number[]) => {
      const shards = [await putShard(folder, name, tokens)];
      const loader = await DataLoader.open({ ...EDGE, shards });
      await loader.close();
      return loader.describeShards()[0]?.sha256;
    };
    const plain = await sha256("plain.bin", changed(-1));
    assertMatch(plain ?? "", /^[0-9a-f]{64}$/);
    assertEquals(await sha256("again.bin", changed(-1)), plain, "the same wherever it lies");
    for (const at of [0, 32_767, count - 32_768, count - 1]) {
      assertNotEquals(await sha256("other.bin", changed(at)), plain, `token ${at}`);
    }
    assertEquals(await sha256("middle.bin", changed(50_000)), plain, "the middle is not read");
    assertNotEquals(await sha256("shorter.bin", changed(-1).slice(1)), plain);
  }));

Deno.test("DataLoader.state() is where the next unserved step begins, whatever was read ahead", () =>
  inFolder(async (folder) => {
    await withLoader({ ...EDGE, shards: await edgeShards(folder) }, async (loader) => {
      for (const [step, [shard, position]] of EDGE_STATES.entries()) {
        assertEquals(loader.state(), { shard, position }, `before step ${step}`);
        await settle();
        assertEquals(loader.state(), { shard, position }, `before step ${step}, after reading ahead`);
        await loader.next();
      }
    });
  }));

Deno.test("DataLoader.restore() goes on with the very step, in a new loader and in a used one", () =>
  inFolder(async (folder) => {
    const shards = await edgeShards(folder);
    for (const [step, [shard, position]] of EDGE_STATES.slice(0, 5).entries()) {
      await withLoader({ ...EDGE, shards }, async (loader) => {
        await loader.restore({ shard, position });
        assertEquals(loader.state(), { shard, position });
        assertEquals(plain(await loader.next()), EDGE_STEPS[step]);
        await loader.next();
        await loader.restore({ shard, position }); // with a read under way
        assertEquals(plain(await loader.next()), EDGE_STEPS[step]);
      });
    }
  }));

Deno.test("DataLoader.restore() refuses states that these shards cannot have", () =>
  inFolder(async (folder) => {
    await withLoader({ ...EDGE, shards: await edgeShards(folder) }, async (loader) => {
      const cases: [LoaderState, string][] = [
        [{ shard: 2, position: 0 }, "shard 2"],
        [{ shard: -1, position: 0 }, "shard -1"],
        [{ shard: 0.5, position: 0 }, "shard 0.5"],
        [{ shard: 0, position: 8 }, "token 8"],
        [{ shard: 1, position: 4 }, "token 4"],
        [{ shard: 0, position: 3 }, "token 3"],
        [{ shard: 0, position: -4 }, "token -4"],
        [{ shard: 0, position: NaN }, "token NaN"],
      ];
      for (const [state, message] of cases) {
        await assertRejects(() => loader.restore(state), UserError, message);
      }
      assertEquals(loader.state(), { shard: 0, position: 0 });
    });
  }));

Deno.test("DataLoader deals sequences to microbatches and ranks by (m*R + k)*b", () =>
  inFolder(async (folder) => {
    const shards = [await putShard(folder, "0.bin", range(0, 30))];
    // Four sequences of T = 3, which start at 0, 3, 6 and 9 in the first step and at 12, ... in the second.
    const cases: { ranks: number; b: number; starts: number[][][] }[] = [
      { ranks: 1, b: 1, starts: [[[0], [3], [6], [9]]] },
      { ranks: 1, b: 2, starts: [[[0, 3], [6, 9]]] },
      { ranks: 1, b: 4, starts: [[[0, 3, 6, 9]]] },
      { ranks: 2, b: 1, starts: [[[0], [6]], [[3], [9]]] },
      { ranks: 2, b: 2, starts: [[[0, 3]], [[6, 9]]] },
      { ranks: 4, b: 1, starts: [[[0]], [[3]], [[6]], [[9]]] },
    ];
    for (const { ranks, b, starts } of cases) {
      for (const [rank, microbatches] of starts.entries()) {
        const sizes = { sequenceLength: 3, batchSequences: 4, deviceBatchSequences: b, vocab: 1000 };
        await withLoader({ ...sizes, shards, rank, ranks }, async (loader) => {
          for (const offset of [0, 12]) {
            const expected = microbatches.map((firsts) => [
              firsts.flatMap((first) => range(offset + first, 3)),
              firsts.flatMap((first) => range(offset + first + 1, 3)),
            ]);
            assertEquals(plain(await loader.next()), expected, `ranks ${ranks}, b ${b}, rank ${rank}`);
          }
        });
      }
    }
  }));

/** The recipe's rule over plain arrays: the first tokens of each rank's microbatches, step after step. */
function naiveSteps(shards: number[][], o: Omit<LoaderOptions, "shards">, steps: number): number[][][][] {
  const { sequenceLength: T, batchSequences: B, deviceBatchSequences: b, rank = 0, ranks = 1 } = o;
  const served: number[][][][] = [];
  let [shard, position] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const tokens = shards[shard] ?? [];
    const microbatches: number[][][] = Array.from({ length: B / (b * ranks) }, () => [[], []]);
    for (let j = 0; j < B; j++) {
      const group = Math.floor(j / b);
      if (group % ranks !== rank) continue;
      const slice = tokens.slice(position + j * T, position + j * T + T + 1);
      microbatches[Math.floor(group / ranks)]?.[0]?.push(...slice.slice(0, T));
      microbatches[Math.floor(group / ranks)]?.[1]?.push(...slice.slice(1));
    }
    served.push(microbatches);
    position += B * T;
    if (position + B * T >= tokens.length) [shard, position] = [(shard + 1) % shards.length, 0];
  }
  return served;
}

Deno.test("DataLoader agrees with the rule over plain arrays for random shapes", () =>
  inFolder(async (folder) => {
    const below = randomBelow(7);
    for (let round = 0; round < 40; round++) {
      const [T, b, ranks, accumulation] = [1 + below(7), 1 + below(3), 1 + below(3), 1 + below(3)];
      const B = b * ranks * accumulation;
      const contents = Array.from(
        { length: 1 + below(3) },
        () => Array.from({ length: B * T + 1 + below(3 * B * T) }, () => below(500)),
      );
      const shards = await Promise.all(
        contents.map((tokens, i) => putShard(folder, `${round}-${i}.bin`, tokens)),
      );
      const sizes = { sequenceLength: T, batchSequences: B, deviceBatchSequences: b, vocab: 500 };
      for (let rank = 0; rank < ranks; rank++) {
        const expected = naiveSteps(contents, { ...sizes, rank, ranks }, 9);
        await withLoader({ ...sizes, shards, rank, ranks }, async (loader) => {
          for (const step of expected) assertEquals(plain(await loader.next()), step, `round ${round}`);
        });
      }
    }
  }));

Deno.test("DataLoader reads one step ahead, into arrays that are used in turn", () =>
  inFolder(async (folder) => {
    const [first = ""] = await edgeShards(folder);
    await withLoader({ ...EDGE, shards: [first] }, async (loader) => {
      const one = await loader.next();
      await settle();
      assertEquals(plain(one), EDGE_STEPS[0]); // reading ahead left it alone
      await Deno.truncate(first, 1024 + 2); // the second step is in memory already, the third is not
      const two = await loader.next();
      assertEquals(plain(two), EDGE_STEPS[1]);
      await assertRejects(() => loader.next(), UserError, `${first} ended after 1 tokens`);
      await Deno.writeFile(first, new Uint8Array(0));
      await assertRejects(() => loader.next(), UserError, first);
    });
    await edgeShards(folder);
    await withLoader({ ...EDGE, shards: [first] }, async (loader) => {
      const one = await loader.next();
      const two = await loader.next();
      await settle();
      assertEquals([one, two].map(plain), EDGE_STEPS.slice(0, 2)); // one step may still be under way
      await loader.next();
      assertStrictEquals((await loader.next()).microbatches[0]?.tokens, one.microbatches[0]?.tokens);
    });
  }));

Deno.test("DataLoader notices a shard replaced by one of another size", () =>
  inFolder(async (folder) => {
    const shards = await edgeShards(folder);
    await withLoader({ ...EDGE, shards }, async (loader) => {
      await putShard(folder, "1.bin", range(0, 20));
      await loader.next();
      await loader.next();
      await assertRejects(() => loader.next(), UserError, "held 8 tokens, now 20");
    });
  }));

Deno.test("DataLoader names a token at or above the vocabulary when its step comes", () =>
  inFolder(async (folder) => {
    const shard = await putShard(folder, "bad.bin", [1, 2, 3, 4, 5, 6, 999, 7, 8, 9]);
    await withLoader({ ...EDGE, vocab: 999, shards: [shard] }, async (loader) => {
      await loader.next();
      await settle();
      const error = await assertRejects(() => loader.next(), UserError);
      for (const part of [shard, "token 999", "position 6", "model.vocab is 999"]) {
        assertStringIncludes(error.message, part);
      }
      assertEquals(loader.state(), { shard: 0, position: 4 });
    });
    await withLoader({ ...EDGE, vocab: 1000, shards: [shard] }, async (loader) => {
      await loader.next();
      assertEquals((await loader.next()).microbatches[1]?.tokens[0], 999);
    });
  }));

Deno.test("DataLoader.open() refuses what it cannot serve", () =>
  inFolder(async (folder) => {
    const [first = "", second = ""] = await edgeShards(folder);
    const exact = await putShard(folder, "exact.bin", range(0, 5));
    const short = await putShard(folder, "short.bin", range(0, 4));
    await withLoader({ ...EDGE, shards: [exact] }, async (loader) => {
      assertEquals(plain(await loader.next()), EDGE_STEPS[0]);
    });
    const cases: [Partial<LoaderOptions>, string[]][] = [
      [{ shards: [first, short] }, [short, "data.train", "holds 4 tokens", "needs 5", "data.batchSequences"]],
      [{ shards: [] }, ["data.train names no shard"]],
      [{ deviceBatchSequences: 3 }, ["data.batchSequences (2)", "data.deviceBatchSequences (3)"]],
      [{ ranks: 3 }, ["data.batchSequences (2)", "ranks (3)"]],
      [{ ranks: 2, rank: 2 }, ["Rank 2"]],
      [{ sequenceLength: 0 }, ["data.sequenceLength", "not 0"]],
      [{ sequenceLength: 1.5 }, ["data.sequenceLength", "not 1.5"]],
      [{ shards: [`${second}.none`] }, [`${second}.none`, "does not exist"]],
    ];
    for (const [change, parts] of cases) {
      const error = await assertRejects(
        () => DataLoader.open({ ...EDGE, shards: [first], ...change }),
        UserError,
      );
      for (const part of parts) assertStringIncludes(error.message, part);
    }
  }));
