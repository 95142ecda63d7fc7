// Collectives of 2 to 4 ranks, workers of this process with a device each: against plain sums on the cpu and on the emulated
// GPUs of both modes; on the cpu the same bits every time and with any number of threads. What ranks must agree on, and groups
// that cannot be joined.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { deviceCount } from "../../ffi/cuda.ts";
import { at } from "../../lib/graph/node.ts";
import { callsOf, checkCollectives, COLLECTIVES, rough, wholes } from "./collectives.ts";
import { NO_CHECKED, NO_EMULATED } from "./gpu_devices.ts";
import type { RankCall, RankDevice } from "./rank_worker.ts";
import { type Answers, cpuRank, emulatedRank, Ranks } from "./ranks.ts";

const same = (device: RankDevice, ranks: number) => new Array<RankDevice>(ranks).fill(device);

/** Devices with the numbers of ranks to try: the checked emulation is slow. */
const DEVICES: readonly [string, RankDevice, number[], boolean][] = [
  ["cpu", cpuRank(2), [2, 3, 4], false],
  ["emulated", emulatedRank(false, 0), [2, 3, 4], NO_EMULATED],
  ["emulated, checked", emulatedRank(true, 5), [3], NO_CHECKED],
];

for (const [name, device, sizes, ignore] of DEVICES) {
  Deno.test(`every collective gives every rank what plain sums give (${name})`, { ignore }, async () => {
    for (const size of sizes) {
      await using ranks = await Ranks.open(same(device, size));
      await ranks.join();
      assertEquals(await checkCollectives(ranks, [1, 37, 4099], wholes), []);
    }
  });

  Deno.test(`ranks that differ are told so, all of them (${name})`, { ignore }, async () => {
    const values = wholes(0, 12);
    const call = (symbol: string, ...args: number[]): RankCall => ({ symbol, args, values });
    const cases: [RankCall, RankCall][] = [
      [call("nanogpt_all_reduce", 12, 0), call("nanogpt_all_reduce", 12, 1)],
      [call("nanogpt_all_reduce", 12, 0), call("nanogpt_all_reduce", 9, 0)],
      [call("nanogpt_reduce", 12, 0), call("nanogpt_reduce", 12, 1)],
      [call("nanogpt_share", 12, 1), call("nanogpt_share", 12, 0)],
      [call("nanogpt_all_gather", 12), call("nanogpt_reduce_scatter", 12)],
    ];
    await using ranks = await Ranks.open(same(device, 3));
    for (const [first, other] of cases.slice(0, sizes.length > 1 ? cases.length : 2)) {
      await ranks.reopen(same(device, 3)); // a GPU whose collective failed is of no more use
      await ranks.join();
      const answers = await ranks.call([first, other, first]);
      // Before the same words stands what the rank was doing: on a GPU it may be told when it next waits.
      const told = answers.map(({ error }) =>
        /[Rr]anks differ: rank 0 calls .*, rank 1 .*/.exec(error ?? "")?.[0]
      );
      assert(told[0] !== undefined, answers[0]?.error);
      assertEquals(new Set(told.map((text) => text?.toLowerCase())).size, 1);
    }
  });

  Deno.test(`a collective without a group, and groups that cannot be joined (${name})`, {
    ignore,
  }, async () => {
    await using ranks = await Ranks.open(same(device, 2));
    const { calls } = callsOf(at(COLLECTIVES, 0), 2, 8, wholes);
    const expectErrors = (answers: Answers, text: RegExp) =>
      answers.forEach(({ error }) => assertMatch(error ?? "", text));
    expectErrors(
      await ranks.call(calls),
      /^Kernel all_reduce needs a group of ranks, which this context has/,
    );
    expectErrors([await ranks.id(1)], /^Kernel group_id: expected ranks from 2 to 1024, found 1$/);
    const { id = new Uint8Array(128) } = await ranks.id();
    expectErrors(
      [await ranks.joinOne(1, id, 2, 2)],
      /^Kernel group_join: expected rank below ranks 2, found 2$/,
    );
    const first = ranks.joinOne(0, id, 0, 2);
    expectErrors([await taken(ranks, id)], /[Rr]ank 0 .*joins twice$/);
    assertEquals([await ranks.joinOne(1, id, 1, 2), await first], [{}, {}]);
    const again = (await ranks.id()).id ?? id;
    expectErrors(
      [await ranks.joinOne(1, again, 1, 2)],
      /^This context is rank 1 of a group already: a context/,
    );
    assert((await ranks.call(calls)).every(({ error }) => error === undefined), "the group goes on");
  });
}

/** Rank 0's place, taken by another while it waits: tried until the first is there. */
async function taken(ranks: Ranks, id: Uint8Array<ArrayBuffer>) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  return ranks.joinOne(1, id, 0, 2);
}

Deno.test("on the cpu the bits are those of sums in the order of the ranks, with any number of threads", async () => {
  await using ranks = await Ranks.open(same(cpuRank(1), 3));
  for (const threads of [[1, 1, 1], [2, 3, 1]]) {
    await ranks.reopen(threads.map((count) => cpuRank(count)));
    await ranks.join();
    for (let i = 0; i < 2; i++) assertEquals(await checkCollectives(ranks, [50000], rough), []);
  }
});

Deno.test("on the cpu NaN and infinity come through, and NaN is the largest", async () => {
  const before = [[NaN, 1, Infinity, -Infinity, 2], [1, NaN, 1, Infinity, 3], [4, 4, -1, 5, NaN]]
    .map((values) => Float32Array.from(values));
  await using ranks = await Ranks.open(same(cpuRank(1), 3));
  await ranks.join();
  const reduced = async (op: number) => {
    const calls = before.map((values) => ({ symbol: "nanogpt_all_reduce", args: [5, op], values }));
    return (await ranks.call(calls)).map(({ values = [] }) => [...values]);
  };
  assertEquals(await reduced(0), new Array(3).fill([NaN, NaN, Infinity, NaN, NaN]));
  assertEquals(await reduced(1), new Array(3).fill([NaN, NaN, Infinity, Infinity, NaN]));
});

Deno.test("a wrong count or root is refused on every rank, and the group goes on; an id is no other bytes", async () => {
  await using ranks = await Ranks.open(same(cpuRank(1), 2));
  const foreign = await ranks.joinOne(0, new Uint8Array(128), 0, 2);
  assertMatch(foreign.error ?? "", /^This is no group's id that nanogpt_group_id made in this process$/);
  const { id = new Uint8Array(128) } = await ranks.id();
  const third = await ranks.joinOne(0, id, 0, 3);
  assertMatch(third.error ?? "", /^Rank 0 joins as one of 3 ranks, the group's id was made for 2$/);
  await ranks.join();
  for (
    const [symbol, args, text] of [
      ["nanogpt_reduce_scatter", [7], /of 7 elements: expected count a multiple of ranks 2$/],
      ["nanogpt_all_gather", [7], /of 7 elements: expected count a multiple of ranks 2$/],
      ["nanogpt_share", [7, 2], /root 2: expected root below ranks 2$/],
      ["nanogpt_all_reduce", [7, 2], /op 2: expected op 0 \(sum\) or 1 \(maximum\)$/],
      ["nanogpt_all_reduce", [0, 0], /of 0 elements, op 0: expected count of at least 1, found 0$/],
    ] as const
  ) {
    const answers = await ranks.call([0, 1].map((rank) => ({ symbol, args, values: wholes(rank, 7) })));
    for (const { error } of answers) assertMatch(error ?? "", text);
  }
  assertEquals(await checkCollectives(ranks, [5], wholes), []);
});

Deno.test("emulated GPUs are counted; the reference device knows no ranks", { ignore: NO_EMULATED }, () => {
  const { library } = emulatedRank(false, 0);
  assertEquals(deviceCount({ kind: "emulated", library }), 8);
  assertEquals("groupId" in new ReferenceDevice(), false);
});
