// Documents to shards: splits by hash, shard borders, blocks and cuts that leave the tokens alone, the same bytes for any
// number of workers, bad input.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { ByteSource } from "../../data/text_files.ts";
import { tokenizeFiles, type TokenizeOptions } from "../../data/tokenize.ts";
import { encode, EOS } from "../../data/tokenizer.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, randomBelow, startWorker, takeTokens } from "./helpers.ts";

const document = (text: string) => [EOS, ...encode(text)];
const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
const bytesOf = (text: string) => new TextEncoder().encode(text);
const linesOf = (texts: readonly string[]) => texts.map((text) => JSON.stringify({ text }) + "\n").join("");

function tokenize(out: string, files: readonly string[], options: Partial<TokenizeOptions> = {}) {
  return tokenizeFiles(out, files, { startWorker, workers: 2, ...options });
}

/** Compares long lists, which assertEquals takes very long for. */
function assertSameTokens(actual: readonly number[], expected: readonly number[]): void {
  assertEquals(actual.length, expected.length);
  assertEquals(actual.findIndex((token, i) => token !== expected[i]), -1);
}

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

/** The first 32 bits of the text's SHA-256 as a share of all there are. */
async function hashShare(text: string): Promise<number> {
  const digest = await crypto.subtle.digest("SHA-256", bytesOf(text));
  return new DataView(digest).getUint32(0) / 2 ** 32;
}

Deno.test("tokenizeFiles() takes text files and lines of JSON in the order given", () =>
  inFolder(async (folder) => {
    const [b, a, lines] = [join(folder, "b.txt"), join(folder, "a.txt"), join(folder, "c.jsonl")];
    await Deno.writeTextFile(b, "\ufeffSecond comes first\n");
    await Deno.writeTextFile(a, "Caf\u00e9 <|endoftext|>");
    await Deno.writeTextFile(lines, `{"text":"one\\ntwo"}\r\n\n{"id":3,"text":""}\n{"text":"three"}`);
    const out = join(folder, "mine");
    const seen: number[][] = [];
    const summary = await tokenize(out, [b, a, lines], {
      progress: ({ documents, bytes, totalBytes }) => seen.push([documents, bytes, totalBytes ?? -1]),
    });
    const expected = ["Second comes first\n", "Caf\u00e9 <|endoftext|>", "one\ntwo", "three"].flatMap(
      document,
    );
    assertEquals(await takeTokens(join(out, "mine_train_000000.bin")), expected);
    const sizes = [b, a, lines].map((path) => Deno.statSync(path).size);
    const [first = 0, second = 0, third = 0] = sizes;
    const bytes = first + second + third;
    assertEquals(summary, {
      train: { documents: 4, tokens: expected.length, shards: [join(out, "mine_train_000000.bin")] },
      val: { documents: 0, tokens: 0, shards: [] },
      empty: 1,
      bytes,
    });
    assertEquals(names(out), ["mine_train_000000.bin"]);
    assertEquals(seen, [[1, first, bytes], [2, first + second, bytes], [4, bytes, bytes]]);
  }));

Deno.test("tokenizeFiles() cuts shards at their size and sends documents to validation by their hash", () =>
  inFolder(async (folder) => {
    const texts = Array.from({ length: 60 }, (_, i) => `Document number ${i} of this f\u00efle`);
    const shares = await Promise.all(texts.map(hashShare));
    const lines = join(folder, "a.jsonl");
    await Deno.writeTextFile(lines, linesOf(texts));
    const out = join(folder, "d");
    const summary = await tokenize(out, [lines], { shardTokens: 50, valFraction: 0.2 });
    const isVal = (_: string, i: number) => (shares[i] ?? 1) < 0.2;
    const train = texts.filter((text, i) => !isVal(text, i)).flatMap(document);
    const val = texts.filter(isVal).flatMap(document);
    const stored = async (shards: string[]) => (await Promise.all(shards.map(takeTokens)));
    assertEquals((await stored(summary.train.shards)).flat(), train);
    assertEquals((await stored(summary.val.shards)).flat(), val);
    const sizes = (await stored(summary.train.shards)).map(({ length }) => length);
    assertEquals(sizes.slice(0, -1), Array(sizes.length - 1).fill(50));
    assertEquals(sizes.length, Math.ceil(train.length / 50));
    assert(summary.val.documents > 3 && summary.val.documents < 30, `${summary.val.documents} of 60`);
    // A document's split is its own: the same beside others, in another order, and as a file of its own.
    const chosen = texts.findIndex(isVal);
    const single = join(folder, "single.txt"), other = join(folder, "other.jsonl");
    await Deno.writeTextFile(single, `\ufeff${texts[chosen]}`);
    await Deno.writeTextFile(other, linesOf(["Something else", texts[chosen] ?? ""]));
    for (const file of [single, other]) {
      const { val } = await tokenize(join(folder, `only-${file.length}`), [file], { valFraction: 0.2 });
      assertEquals((await stored(val.shards)).flat(), document(texts[chosen] ?? ""));
    }
  }));

Deno.test("tokenizeFiles() gives the same bytes for one, two and three workers", () =>
  inFolder(async (folder) => {
    const below = randomBelow(23);
    const words = ["the ", "of\n", "Uni\u00f3n ", "1789", ", ", "people ", "\u65e5\u672c", "  "];
    const text = (count: number) => Array.from({ length: count }, () => words[below(words.length)]).join("");
    // Four batches of lines and a text of three pieces between them.
    const files = ["a.jsonl", "b.txt", "c.jsonl"].map((name) => join(folder, name));
    const texts = Array.from({ length: 900 }, () => text(1 + below(700)));
    const long = text(450_000);
    await Deno.writeTextFile(files[0] ?? "", linesOf(texts.slice(0, 500)));
    await Deno.writeTextFile(files[1] ?? "", long);
    await Deno.writeTextFile(files[2] ?? "", linesOf(texts.slice(500)));
    const runs = [1, 2, 3].map(async (workers) => {
      const out = join(folder, String(workers), "d");
      const { train, val } = await tokenize(out, files, { workers, shardTokens: 200_000, valFraction: 0.3 });
      assert(train.shards.length > 2 && val.shards.length > 1);
      const hashes = [...train.shards, ...val.shards].map(async (path) => {
        const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
        return `${path.slice(-19)} ${new Uint8Array(digest).toHex()}`;
      });
      return { hashes: await Promise.all(hashes), train, val };
    });
    const [one, two, three] = await Promise.all(runs);
    assertEquals(two?.hashes, one?.hashes);
    assertEquals(three?.hashes, one?.hashes);
    const order = [...texts.slice(0, 500), long, ...texts.slice(500)];
    const shares = await Promise.all(order.map(hashShare));
    const val = order.filter((_, i) => (shares[i] ?? 1) < 0.3).flatMap(document);
    const stored = (await Promise.all((one?.val.shards ?? []).map(takeTokens))).flat();
    assertSameTokens(stored, val);
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
    // More than one read (1 MB), in several pieces.
    const text = Array.from({ length: 400_000 }, () => words[below(words.length)]).join("");
    const bytes = bytesOf(text);
    assert(bytes.length > 1_500_000);
    const expected = document(text);
    for (const partBytes of [1 << 20, 65_537]) {
      const out = join(folder, `parts-${partBytes}`);
      const stdin = { source: sourceOf(bytes, partBytes), format: "txt" };
      const { train } = await tokenize(out, ["-"], { stdin });
      assertSameTokens(await takeTokens(train.shards[0] ?? ""), expected);
    }
    const short = "\ufeffna\u00efve \ud83d\udc69 \u65e5\n\ufeff";
    const lines = bytesOf(`{"text":"\u65e5 one"}\n{"text":"\ud83d\udc69"}\n`);
    for (const partBytes of [1, 2, 3]) {
      const stdin = { source: sourceOf(bytesOf(short), partBytes), format: "txt" };
      const { train } = await tokenize(join(folder, `short-${partBytes}`), ["-"], { stdin });
      assertEquals(await takeTokens(train.shards[0] ?? ""), document(short.slice(1)));
      const json = { source: sourceOf(lines, partBytes), format: "jsonl" };
      const out = await tokenize(join(folder, `lines-${partBytes}`), ["-"], { stdin: json });
      assertEquals(
        await takeTokens(out.train.shards[0] ?? ""),
        ["\u65e5 one", "\ud83d\udc69"].flatMap(document),
      );
    }
  }));

Deno.test("tokenizeFiles() takes lines and words of megabytes", () =>
  inFolder(async (folder) => {
    const below = randomBelow(5);
    const word = Array.from({ length: 1_000_000 }, () => String.fromCharCode(97 + below(26))).join("");
    const long = "A sentence of some words. ".repeat(200_000); // 5 MB: the block grows over several reads
    const lines = join(folder, "a.jsonl"), text = join(folder, "b.txt");
    await Deno.writeTextFile(lines, linesOf(["one", long]));
    await Deno.writeTextFile(text, `${long}two ${word} three`);
    const { train } = await tokenize(join(folder, "d"), [lines, text]);
    const tokens = await takeTokens(train.shards[0] ?? "");
    const sentences = [
      ...encode("A sentence of some words."),
      ...Array<number[]>(199_999).fill(encode(" A sentence of some words.")).flat(),
    ];
    assertSameTokens(tokens, [
      ...document("one"),
      ...[EOS, ...sentences, 220], // 220: the space at the end
      ...[EOS, ...sentences, ...encode(` two ${word} three`)],
    ]);
  }));

Deno.test("tokenizeFiles() names file and place of bad input, and leaves no shard", () =>
  inFolder(async (folder) => {
    const put = async (name: string, content: Uint8Array | string) => {
      const path = join(folder, name);
      await Deno.writeFile(path, typeof content === "string" ? bytesOf(content) : content);
      return path;
    };
    const good = await put("good.txt", "Fine");
    const late = new Uint8Array(1_200_000).fill(97).fill(10, 1000, 1002);
    late[1_100_000] = 0xff;
    const badLine = new Uint8Array([
      ...bytesOf(`{"text":"a"}\n{"text":"`),
      0xff,
      ...bytesOf(`"}\n{"text":5}\n`),
    ]);
    const manyLines = linesOf(
      Array.from({ length: 20_000 }, (_, i) => `This is document ${i} of several batches`),
    );
    const cases: [string, string][] = [
      [
        await put("bad.txt", Uint8Array.of(0xef, 0xbb, 0xbf, 97, 0xc3, 0xa9, 0x80)),
        "bad.txt line 1 is not valid UTF-8 at byte 6",
      ],
      [await put("late.txt", late), "late.txt line 3 is not valid UTF-8 at byte 1100000"],
      [await put("cut.txt", Uint8Array.of(97, 0xe6, 0x97)), "not valid UTF-8 at byte"],
      [
        await put("word.txt", "a".repeat(5_000_000)),
        "word.txt line 1 or later cannot be encoded: a word of 5000000",
      ],
      [await put("a.jsonl", `{"text":"a"}\n{"text":`), "a.jsonl line 2 is not valid JSON"],
      [await put("b.jsonl", `{"text":"a"}\n\n{"txt":"b"}`), "b.jsonl line 3 must have a field"],
      [await put("c.jsonl", `{"text":5}`), "it is of type number"],
      [await put("d.jsonl", `["text"]`), "must be an object"],
      [await put("e.jsonl", Uint8Array.of(123, 125, 10, 0xff)), "e.jsonl line 1 must have"],
      [await put("g.jsonl", badLine), "g.jsonl line 2 is not valid UTF-8 at byte 22"],
      [await put("h.jsonl", `${manyLines}{"text":null}\n`), "h.jsonl line 20001 must have a field"],
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
        () => tokenize(out, files, { workers: 1, shardTokens: 1000, valFraction: 0.5 }),
        UserError,
        message,
      );
      // Names are checked before anything is made; all else leaves an empty folder.
      if (!/(\.csv|none.txt|-|folder.txt)$/.test(path)) assertEquals(names(out), [], message);
    }
    await assertRejects(() => tokenize(out, []), UserError, "Nothing to tokenize");
    await assertRejects(() => tokenize(out, [good], { valFraction: 1 }), UserError, "below 1");
    await assertRejects(() => tokenize(out, [good], { shardTokens: 0 }), UserError, "between 1 and");
    await assertRejects(
      () => tokenize(out, ["-"], { stdin: { source: sourceOf(late, 9), format: "csv" } }),
      UserError,
      "Cannot tokenize -.csv",
    );
    await tokenize(out, [good]);
    await assertRejects(
      () => tokenize(out, [good]),
      UserError,
      "holds shards already (out_train_000000.bin)",
    );
  }));
