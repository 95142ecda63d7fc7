// Parquet and compressed files: the same documents give the same shards in whatever form they come. The .parquet files
// were made by tests/data/parquet/make.py.

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tokenizeFiles } from "../../data/tokenize.ts";
import { encode, EOS } from "../../data/tokenizer.ts";
import { UserError } from "../../lib/base/errors.ts";
import { inFolder, startWorker, takeTokens } from "./helpers.ts";

const TEXTS = [
  "The first row",
  "Na\u00efve \u2014 \u201cquoted\u201d \u{1f469}\u200d\u{1f467}",
  "a <|endoftext|> b\n\nline two",
  "",
  "  \n",
  "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12345",
  "last, the seventh",
];
const PARQUET = ["snappy", "zstd", "gzip"].map((codec) =>
  join(import.meta.dirname ?? "", `parquet/texts.${codec}.parquet`)
);
const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("the same documents as text, lines, compressed and Parquet give the same shards", () =>
  inFolder(async (folder) => {
    const lines = bytesOf(TEXTS.map((text) => JSON.stringify({ text }) + "\n").join(""));
    await Deno.writeFile(join(folder, "a.jsonl"), lines);
    await Deno.writeFile(join(folder, "a.jsonl.gz"), gzipSync(lines));
    await Deno.writeFile(join(folder, "a.jsonl.zst"), zstdCompressSync(lines));
    const forms = ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"].map((name) => [join(folder, name)]);
    for (const ending of [".txt", ".txt.gz", ".txt.zst"]) {
      const files = TEXTS.map((_, i) => join(folder, `${i}${ending}`));
      for (const [i, path] of files.entries()) {
        const bytes = bytesOf(TEXTS[i] ?? "");
        const packed = ending === ".txt"
          ? bytes
          : ending === ".txt.gz"
          ? gzipSync(bytes)
          : zstdCompressSync(bytes);
        await Deno.writeFile(path, packed);
      }
      forms.push(files);
    }
    forms.push(...PARQUET.map((path) => [path]));
    const documents = TEXTS.filter((text) => text.trim() !== "");
    const shares = documents.map((text) =>
      createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32
    );
    const [train, val] = [false, true].map((wanted) =>
      documents.filter((_, i) => (shares[i] ?? 1) < 0.4 === wanted).flatMap((text) => [EOS, ...encode(text)])
    );
    for (const [i, files] of forms.entries()) {
      const options = { startWorker, workers: 1, valFraction: 0.4 };
      const found = await tokenizeFiles(join(folder, String(i), "d"), files, options);
      assertEquals(await takeTokens(found.train.shards[0] ?? ""), train, files[0]);
      assertEquals(await takeTokens(found.val.shards[0] ?? ""), val, files[0]);
      assertEquals([found.train.documents + found.val.documents, found.empty], [5, 2]);
    }
  }));

Deno.test("a Parquet file that is no such file, damaged, or of other columns is refused with the place", () =>
  inFolder(async (folder) => {
    const whole = await Deno.readFile(PARQUET[0] ?? "");
    const put = async (name: string, bytes: Uint8Array) => {
      await Deno.writeFile(join(folder, name), bytes);
      return join(folder, name);
    };
    const torn = whole.slice();
    torn.fill(0xee, 4, 120); // the first pages
    const cases: [string, string, string][] = [
      [await put("short.parquet", whole.subarray(0, 900)), "text", "short.parquet: "],
      [await put("text.parquet", bytesOf("not parquet at all")), "text", "text.parquet: "],
      [await put("empty.parquet", new Uint8Array()), "text", "empty.parquet: "],
      [await put("torn.parquet", torn), "text", "torn.parquet"],
      [
        PARQUET[0] ?? "",
        "words",
        'has no column "words"; it has id, text, raw, tags: choose one with --field',
      ],
      [PARQUET[0] ?? "", "id", "holds OPTIONAL values of type INT64, expected text"],
      [PARQUET[0] ?? "", "tags", "is a group of columns, expected text"],
      [PARQUET[0] ?? "", "raw", 'snappy.parquet row 3 must have text in the column "raw"; it is null'],
    ];
    const out = join(folder, "out");
    for (const [path, field, message] of cases) {
      const options = { startWorker, workers: 1, field };
      await assertRejects(() => tokenizeFiles(out, [path], options), UserError, message);
      assertEquals([...Deno.readDirSync(out)], [], message);
    }
  }));
