// nanogpt data tokenize and data inspect as a user drives them: standard input, the options, what is printed, an
// interruption, and that memory does not grow with the input.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { constants, zstdCompressSync } from "node:zlib";
import { formatProgress, TokenizeView } from "../../lib/cli/tokenize_view.ts";
import { encode, EOS } from "../../data/tokenizer.ts";
import { inFolder, takeTokens } from "../data/helpers.ts";
import { ROOT } from "./command.ts";
import { denoArgs, mustRun, namesIn, run, Started } from "./small_run.ts";

/** Runs `nanogpt data ...` with a file as its standard input. */
async function withInput(input: string, args: readonly string[]) {
  const words = [Deno.execPath(), ...denoArgs(["data", ...args])].map((word) => `'${word}'`).join(" ");
  const command = new Deno.Command("sh", { args: ["-c", `timeout 60 ${words} < '${input}'`], cwd: ROOT });
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("data tokenize reads standard input as told and files by their names, from the field named", () =>
  inFolder(async (folder) => {
    const [lines, text, out] = [join(folder, "lines"), join(folder, "b.txt"), join(folder, "mine")];
    await Deno.writeTextFile(lines, '{"body":"one"}\n{"body":"two"}\n');
    await Deno.writeTextFile(text, "three");
    const found = await withInput(lines, [
      ...["tokenize", out, text, "-", "--format", "jsonl", "--field", "body", "--workers", "1"],
    ]);
    const shard = join(out, "mine_train_000000.bin");
    assertEquals(found.code, 0, found.stderr);
    assertMatch(
      found.stdout,
      /^training: 6 tokens of 3 documents in\n {2}.*mine_train_000000\.bin\n35 B in [\d.]+ s, [\d.]+ k?B\/s\n$/,
    );
    assertEquals(await takeTokens(shard), ["three", "one", "two"].flatMap((word) => [EOS, ...encode(word)]));
    const one = await withInput(lines, ["tokenize", join(folder, "d"), "-"]);
    assertStringIncludes(one.stdout, " tokens of 1 documents in");
    const wrong = await withInput(lines, ["tokenize", join(folder, "e"), "-", "--format", "jsonl"]);
    assertEquals([wrong.code, wrong.stdout], [1, ""]);
    assertEquals(
      wrong.stderr,
      'standard input line 1 must have a field "text" that is a string; it has none\n',
    );
  }));

Deno.test("data inspect tells what a shard holds, also as one object", () =>
  inFolder(async (folder) => {
    const text = join(folder, "a.txt"), out = join(folder, "d");
    await Deno.writeTextFile(text, "Fellow citizens");
    await mustRun(["data", "tokenize", out, text, "--workers", "1"]);
    const shard = join(out, "d_train_000000.bin");
    const { stdout } = await mustRun(["data", "inspect", shard]);
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(shard));
    const sha256 = new Uint8Array(digest).toHex();
    for (
      const part of [
        "magic 20240520",
        "median 4",
        "eos (50256): a document begins",
        "Fellow citizens",
        sha256,
      ]
    ) {
      assertStringIncludes(stdout, part);
    }
    const { sha256: told, tokens, documents, lengths, foreignTokens } = JSON.parse(
      (await mustRun(["data", "inspect", "--json", shard])).stdout,
    );
    assertEquals([told, tokens, documents, foreignTokens], [sha256, 4, 1, 0]);
    assertEquals(lengths.map(({ quantile }: { quantile: number }) => quantile), [0, 0.1, 0.5, 0.9, 0.99, 1]);
    const missing = await run(["data", "inspect", join(folder, "none.bin")]);
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertStringIncludes(missing.stderr, "it does not exist");
  }));

Deno.test("data tokenize stops at SIGINT with exit code 130 and leaves no shard, whole or in part", () =>
  inFolder(async (folder) => {
    const [lines, out] = [join(folder, "a.jsonl"), join(folder, "d")];
    // Seconds of work: 40 MB, and a shard of 20,000 tokens every 100 KB.
    const text = "We the People of the United States, in Order to form a more perfect Union ".repeat(60);
    await Deno.writeTextFile(lines, `${JSON.stringify({ text })}\n`.repeat(9000));
    const started = new Started(["data", "tokenize", out, lines, "--shard-tokens", "20000"]);
    const shards = () => {
      try {
        return namesIn(out).length;
      } catch {
        return 0; // the folder is not there yet
      }
    };
    while (shards() < 3) await new Promise((wake) => setTimeout(wake, 10));
    started.signal("SIGINT");
    const { code, stdout, stderr } = await started.end();
    assertEquals([code, stdout], [130, ""], stderr);
    assert(stderr.endsWith(`Interrupted: no shard was written into ${out}\n`), stderr);
    assertEquals(namesIn(out), []);
  }));

Deno.test("data tokenize needs no more memory for a large input than for a small one", () =>
  inFolder(async (folder) => {
    // 320 MB of lines that are little work: one document of a few words and much beside it.
    const line = JSON.stringify({ text: "A few words", beside: "x".repeat(20_000) }) + "\n";
    const frame = zstdCompressSync(new TextEncoder().encode(line.repeat(500)), {
      params: { [constants.ZSTD_c_checksumFlag]: 1 },
    });
    const input = join(folder, "a.jsonl.zst");
    for (let i = 0; i < 32; i++) await Deno.writeFile(input, frame, { append: true });
    const args = denoArgs(["data", "tokenize", join(folder, "d"), input, "--workers", "2"]);
    const child = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdout: "piped", stderr: "null" })
      .spawn();
    let ended = false, peakBytes = 0;
    const output = child.output().finally(() => ended = true);
    while (!ended) {
      peakBytes = Math.max(peakBytes, peakOf(child.pid));
      await new Promise((wake) => setTimeout(wake, 50));
    }
    assertStringIncludes(new TextDecoder().decode((await output).stdout), " tokens of 16000 documents in");
    // Three Denos' worth of code and tables take 200 MB; the rest is what is read ahead, and garbage.
    assert(peakBytes > 50e6 && peakBytes < 500e6, `${peakBytes} bytes`);
  }));

/** Bytes that a process has held in memory at most; 0 once it is gone. */
function peakOf(pid: number): number {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

Deno.test("formatProgress() shows bytes, rate, counts and the time left where the size is known", () => {
  const done = { documents: 305_000, tokens: 270e6, bytes: 1.2e9, totalBytes: 2.4e9 };
  assertEquals(
    formatProgress(done, 50),
    "[##########----------] 1.20 GB of 2.40 GB, 24.0 MB/s, 305k documents, 270M tokens, 0:50 left",
  );
  assertEquals(
    formatProgress({ ...done, totalBytes: undefined }, 50),
    "1.20 GB, 24.0 MB/s, 305k documents, 270M tokens",
  );
  const view = new TokenizeView();
  view.show(done); // within ten seconds of the start nothing is printed
  assert(view.seconds < 10);
});
