// The description of a shard: counts and quantiles of a written-out one, and of shapes at the edge.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { formatReport, inspectShard } from "../../data/inspect.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, putShard } from "./helpers.ts";

const E = 50256;

Deno.test("inspectShard() counts documents, lengths and foreign tokens", () =>
  inFolder(async (folder) => {
    // Two tokens of an earlier document, then documents of 3, 1, 5 and 2 tokens.
    const path = await putShard(folder, "a.bin", [15496, 995, E, 1, 2, E, E, 3, 4, 5, 60000, E, 7]);
    const report = await inspectShard(path);
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    assertEquals(report, {
      path,
      bytes: 1024 + 26,
      tokens: 13,
      documents: 4,
      leadingTokens: 2,
      lengths: [[0, 1], [0.1, 1], [0.5, 2], [0.9, 5], [0.99, 5], [1, 5]].map((
        [quantile = 0, tokens = 0],
      ) => ({
        quantile,
        tokens,
      })),
      meanLength: 11 / 4,
      highestToken: 60000,
      foreignTokens: 1,
      firstText: 'Hello world<|endoftext|>"#<|endoftext|><|endoftext|>$%&\ufffd<|endoftext|>(',
      sha256: new Uint8Array(digest).toHex(),
    });
    const text = formatReport(report);
    for (
      const part of [
        path,
        "13",
        "not eos",
        "4, after 2 tokens of an earlier one",
        "mean 2.8, shortest 1",
        "median 2",
      ]
    ) {
      assertStringIncludes(text, part);
    }
    assertStringIncludes(text, "1 tokens are not GPT-2's: highest 60000, expected below 50257");
  }));

Deno.test("inspectShard() takes a shard without documents or tokens, and refuses a faulty one", () =>
  inFolder(async (folder) => {
    const none = await inspectShard(await putShard(folder, "none.bin", []));
    assertEquals([none.tokens, none.documents, none.lengths, none.leadingTokens], [0, 0, [], 0]);
    assertStringIncludes(formatReport(none), "no document begins here");
    const middle = await inspectShard(await putShard(folder, "middle.bin", [1, 2, 3]));
    assertEquals([middle.tokens, middle.documents, middle.leadingTokens], [3, 0, 3]);
    assertStringIncludes(formatReport(middle), "all GPT-2's (highest token 3)");
    const faulty = await putShard(folder, "faulty.bin", [1, 2], { count: 3 });
    await assertRejects(() => inspectShard(faulty), UserError, "fewer tokens");
  }));
