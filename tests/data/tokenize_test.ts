// Text files to shards: documents, splits, shard borders, blocks and cuts that leave the tokens alone, bad input.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type ByteSource } from "../../data/text_files.ts";
import { tokenizeFiles } from "../../data/tokenize.ts";
import { encode, EOS } from "../../data/tokenizer.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, randomBelow, takeTokens } from "./helpers.ts";

const document = (text: string) => [EOS, ...encode(text)];
const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

/** A source that gives `bytes` in small parts. */
function sourceOf(bytes: Uint8Array, partBytes: number): ByteSource {
  let at = 0;
  return {
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const part = bytes.subarray(at, at + Math.min(partBytes, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
  };
}

Deno.test("tokenizeFiles() takes text files and lines of JSON in the order given", () =>
  inFolder(async (folder) => {
    const [b, a, lines] = [join(folder, "b.txt"), join(folder, "a.txt"), join(folder, "c.jsonl")];
    await Deno.writeTextFile(b, "\ufeffSecond comes first\n");
    await Deno.writeTextFile(a, "Caf\u00e9 <|endoftext|>");
    await Deno.writeTextFile(lines, `{"text":"one\\ntwo"}\r\n\n{"id":3,"text":""}\n{"text":"three"}`);
    const out = join(folder, "mine");
    const seen: number[] = [];
    const summary = await tokenizeFiles(out, [b, a, lines], {
      progress: ({ documents }) => seen.push(documents),
    });
    const expected = ["Second comes first\n", "Caf\u00e9 <|endoftext|>", "one\ntwo", "three"].flatMap(
      document,
    );
    assertEquals(await takeTokens(join(out, "mine_train_000000.bin")), expected);
    assertEquals(summary, {
      train: { documents: 4, tokens: expected.length, shards: [join(out, "mine_train_000000.bin")] },
      val: { documents: 0, tokens: 0, shards: [] },
      empty: 1,
    });
    assertEquals(names(out), ["mine_train_000000.bin"]);
    assertEquals(seen, [1, 2, 3, 3, 4]);
  }));

Deno.test("tokenizeFiles() cuts shards at their size and sends every n-th document to validation", () =>
  inFolder(async (folder) => {
    const texts = Array.from({ length: 25 }, (_, i) => `Document number ${i} of this file`);
    const lines = join(folder, "a.jsonl");
    await Deno.writeTextFile(lines, texts.map((text) => JSON.stringify({ text })).join("\n") + "\n");
    const out = join(folder, "d");
    const summary = await tokenizeFiles(out, [lines], { shardTokens: 50, valFraction: 0.2 });
    const isVal = (_: string, i: number) => i % 5 === 4;
    const train = texts.filter((text, i) => !isVal(text, i)).flatMap(document);
    const val = texts.filter(isVal).flatMap(document);
    const stored = async (shards: string[]) => (await Promise.all(shards.map(takeTokens)));
    assertEquals((await stored(summary.train.shards)).flat(), train);
    assertEquals((await stored(summary.val.shards)).flat(), val);
    const sizes = (await stored(summary.train.shards)).map(({ length }) => length);
    assertEquals(sizes.slice(0, -1), Array(sizes.length - 1).fill(50));
    assertEquals(sizes.length, Math.ceil(train.length / 50));
    assertEquals(summary.val.documents, 5);

    const again = await tokenizeFiles(join(folder, "again/d"), [lines], {
      shardTokens: 50,
      valFraction: 0.2,
    });
    for (const [i, path] of again.train.shards.entries()) {
      assertEquals(await Deno.readFile(path), await Deno.readFile(summary.train.shards[i] ?? ""));
    }
  }));

Deno.test("tokenizeFiles() gives the same tokens however a long text arrives", () =>
  inFolder(async (folder) => {
    const below = randomBelow(11);
    const words = [
      "the ",
      "Uni\u00f3n",
      "\n",
      "  ",
      "\ud83d\udc69",
      "1789",
      ", ",
      "people",
      "\u65e5\u672c",
      " of ",
    ];
    // More than one read (1 MB) and several encoded parts (256 K characters).
    const text = Array.from({ length: 400_000 }, () => words[below(words.length)]).join("");
    const bytes = new TextEncoder().encode(text);
    assert(bytes.length > 1_500_000);
    const expected = document(text);
    for (const partBytes of [1 << 20, 65_537]) {
      const out = join(folder, `parts-${partBytes}`);
      const stdin = { source: sourceOf(bytes, partBytes), format: "txt" as const };
      const { train } = await tokenizeFiles(out, ["-"], { stdin });
      assertEquals(await takeTokens(train.shards[0] ?? ""), expected);
    }
    const short = "\ufeffna\u00efve \ud83d\udc69 \u65e5\n\ufeff";
    const lines = new TextEncoder().encode(`{"text":"\u65e5 one"}\n{"text":"\ud83d\udc69"}\n`);
    for (const partBytes of [1, 2, 3]) {
      const stdin = { source: sourceOf(new TextEncoder().encode(short), partBytes), format: "txt" as const };
      const { train } = await tokenizeFiles(join(folder, `short-${partBytes}`), ["-"], { stdin });
      assertEquals(await takeTokens(train.shards[0] ?? ""), document(short.slice(1)));
      const json = { source: sourceOf(lines, partBytes), format: "jsonl" as const };
      const out = await tokenizeFiles(join(folder, `lines-${partBytes}`), ["-"], { stdin: json });
      assertEquals(
        await takeTokens(out.train.shards[0] ?? ""),
        ["\u65e5 one", "\ud83d\udc69"].flatMap(document),
      );
    }
  }));

Deno.test("tokenizeFiles() names file and place of bad input, and leaves no shard", () =>
  inFolder(async (folder) => {
    const put = async (name: string, content: Uint8Array | string) => {
      const path = join(folder, name);
      await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
      return path;
    };
    const good = await put("good.txt", "Fine");
    const late = new Uint8Array(1_200_000).fill(97);
    late[1_100_000] = 0xff;
    const cases: [string, string][] = [
      [
        await put("bad.txt", Uint8Array.of(0xef, 0xbb, 0xbf, 97, 0xc3, 0xa9, 0x80)),
        "not valid UTF-8 at byte 6",
      ],
      [await put("late.txt", late), "not valid UTF-8 at byte 1100000"],
      [await put("cut.txt", Uint8Array.of(97, 0xe6, 0x97)), "not valid UTF-8 at byte"],
      [await put("a.jsonl", `{"text":"a"}\n{"text":`), "a.jsonl line 2 is not valid JSON"],
      [await put("b.jsonl", `{"text":"a"}\n\n{"txt":"b"}`), "b.jsonl line 3 must have a field"],
      [await put("c.jsonl", `{"text":5}`), "it is of type number"],
      [await put("d.jsonl", `["text"]`), "must be an object"],
      [await put("e.jsonl", Uint8Array.of(123, 125, 10, 0xff)), "e.jsonl line 1 must have"],
      [await put("f.csv", ""), "expected a name that ends in .txt"],
      [await put("empty.txt", " \n"), "no document with any text"],
      [join(folder, "none.txt"), "it does not exist"],
      ["-", "standard input is not available"],
    ];
    await Deno.mkdir(join(folder, "folder.txt"));
    cases.push([join(folder, "folder.txt"), "it is a folder"]);
    const out = join(folder, "out");
    for (const [path, message] of cases) {
      const files = path.endsWith("empty.txt") ? [path] : [good, good, path];
      await assertRejects(
        () => tokenizeFiles(out, files, { shardTokens: 1, valFraction: 0.5 }),
        UserError,
        message,
      );
      // A file's kind is checked before anything is made; all else leaves an empty folder.
      if (!path.endsWith(".csv")) assertEquals(names(out), [], message);
    }
    await assertRejects(() => tokenizeFiles(out, []), UserError, "Nothing to tokenize");
    await assertRejects(() => tokenizeFiles(out, [good], { valFraction: 1 }), UserError, "below 1");
    await assertRejects(() => tokenizeFiles(out, [good], { shardTokens: 0 }), UserError, "between 1 and");
    await tokenizeFiles(out, [good]);
    await assertRejects(
      () => tokenizeFiles(out, [good]),
      UserError,
      "holds shards already (out_train_000000.bin)",
    );
  }));
