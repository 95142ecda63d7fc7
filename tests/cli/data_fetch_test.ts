// nanogpt data fineweb10B and data hellaswag as a user drives them, against a hub on the loopback that sends to another
// host: a whole download, what is said of mistakes, interruption and death, and training on what has arrived.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { FileServer, Hub, linkedHeaders, sha256 } from "../data/file_server.ts";
import { inFolder, range, shardBytes } from "../data/helpers.ts";
import { mounting, quoted } from "./small_disk.ts";
import { mustRun, namesIn, run, someTokens, Started, trainArgs } from "./small_run.ts";

const FOLDER = "data/fineweb10B";
const VAL = "fineweb_val_000000.bin";
const trainName = (i: number) => `fineweb_train_${String(i).padStart(6, "0")}.bin`;
const TRAIN = trainName(1);

/** The validation shard and `count` training shards of `tokens` tokens each. */
function shards(count: number, tokens = 1000): Record<string, Uint8Array> {
  const names = [VAL, ...range(1, count).map(trainName)];
  return Object.fromEntries(names.map((name, i) => [name, shardBytes(someTokens(tokens, i))]));
}

function requireShards(folder: string, files: Record<string, Uint8Array>): void {
  const wrong = Object.entries(files).filter(([name, bytes]) =>
    sha256(Deno.readFileSync(join(folder, name))) !== sha256(bytes)
  );
  assertEquals(wrong.map(([name]) => name), []);
  assertEquals(namesIn(folder), [".lock", ...Object.keys(files), "manifest.json"].toSorted());
}

const fineweb = (...args: string[]) => ["data", "fineweb10B", ...args];

Deno.test("fineweb10B fetches 10 shards in order, tells their checks, keeps the token to the hub, and asks nothing twice", () =>
  inFolder(async (cwd) => {
    const files = shards(10);
    await using hub = new Hub(files);
    const env = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_secret" };
    const { stdout, stderr } = await mustRun(fineweb(), { cwd, env });
    requireShards(join(cwd, FOLDER), files);
    assertMatch(
      stdout,
      /^data\/fineweb10B holds the validation shard and 10 training shards of FineWeb10B, 32\.5 KiB; SHA-256 as stated/,
    );
    assertMatch(stderr, /^11 files to fetch, 32\.5 KiB\nfineweb_val_000000\.bin: .*, SHA-256 as stated\n/);
    const order = hub.cdn.seen.filter(({ span }) => span?.end !== 1).map(({ name }) => name);
    assertEquals(order, Object.keys(files));
    assertEquals(
      new Set(hub.hub.seen.map(({ authorization }) => authorization)),
      new Set(["Bearer hf_secret"]),
    );
    assertEquals(new Set(hub.cdn.seen.map(({ authorization }) => authorization)), new Set([null]));
    const manifest = Deno.readTextFileSync(join(cwd, FOLDER, "manifest.json"));
    assert(![manifest, stdout, stderr].some((text) => /hf_secret|hush/.test(text)), "no secret is told");
    assertEquals(JSON.parse(manifest).files[1], {
      file: TRAIN,
      size: 3024,
      sha256: sha256(files[TRAIN] ?? new Uint8Array()),
      stated: true,
      url: `${hub.url}/datasets/kjj0/fineweb10B-gpt2/resolve/main/${TRAIN}`,
      commit: linkedHeaders(new Uint8Array())["x-repo-commit"],
    });
    const before = [hub.hub.seen.length, hub.cdn.seen.length];
    const again = await mustRun(fineweb("10", "--verify"), { cwd, env });
    assertMatch(again.stdout, /; all read again and unchanged\n$/);
    assertEquals([hub.hub.seen.length, hub.cdn.seen.length], before);
  }));

Deno.test("A plain mirror: --base-url, no token, sizes only; what its shards are is checked", () =>
  inFolder(async (cwd) => {
    const files = shards(1);
    await using mirror = new FileServer(files, { ignoreRanges: true });
    const args = fineweb("1", "--base-url", `${mirror.url}/some/where`, "--out", "here");
    const { stdout, stderr } = await mustRun(args, { cwd, env: { HF_TOKEN: "hf_secret" } });
    requireShards(join(cwd, "here"), files);
    assertStringIncludes(stdout, "; no SHA-256 was stated for 2 of 2\n");
    assertStringIncludes(stderr, ", size as stated, no SHA-256 to check\n");
    assertEquals(new Set(mirror.seen.map(({ authorization }) => authorization)), new Set([null]));
    await using wrong = new FileServer({ [VAL]: shardBytes([1, 2], { magic: 7 }), [TRAIN]: shardBytes([1]) });
    const refused = await run(fineweb("1", "--base-url", wrong.url), { cwd });
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(
      refused.stderr,
      /^Cannot use fineweb_val_000000\.bin as .* gives it: .* is not a token shard: expected 20240520 as its first number, found 7; .*, twice; nothing was kept/m,
    );
    assertEquals(namesIn(join(cwd, FOLDER)), [".lock"]);
  }));

Deno.test("Numbers of shards that there are not, an unknown shard, a wrong address: one line, exit code 1", () =>
  inFolder(async (cwd) => {
    await using hub = new Hub(shards(1));
    const cases: [string[], RegExp][] = [
      [["0"], /argument value '0' is invalid for argument 'shards'\. Expected a whole number from 1; see/],
      [["1.5"], /argument value '1\.5' is invalid/],
      [["104"], /^FineWeb10B has 103 training shards: expected a whole number from 1 to 103, found 104$/],
      [
        ["3"],
        /^Cannot fetch fineweb_train_000002\.bin: there is no such file at .*_000002\.bin \(404\); check/,
      ],
      [["--base-url", "x"], /^--base-url "x" is no address/],
    ];
    for (const [args, expected] of cases) {
      const { code, stdout, stderr } = await run(fineweb(...args), { cwd, env: { HF_ENDPOINT: hub.url } });
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, new RegExp(expected.source, "m"));
    }
  }));

/** A file of 6 MiB, of which the first part arrives and then nothing more. */
const SLOW = shards(1, 3 << 20);
const SILENT = { breaks: () => ({ after: 2 << 20, how: "silent" as const }) };

/** The bytes that the note beside a partial file lists. */
function noted(folder: string, name: string): number {
  try {
    const note: { held: [number, number][] } = JSON.parse(
      Deno.readTextFileSync(join(folder, `.${name}.part.json`)),
    );
    return note.held.reduce((sum, [start, end]) => sum + end - start, 0);
  } catch {
    return 0;
  }
}

/** Waits until so much of a file is noted; fails after 20 s. */
async function untilNoted(folder: string, name: string, bytes: number): Promise<void> {
  for (let tries = 0; noted(folder, name) < bytes; tries++) {
    assert(tries < 1000, `only ${noted(folder, name)} bytes are noted`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

Deno.test("Killed, the same command fetches only what is missing; meanwhile a second one is refused", () =>
  inFolder(async (cwd) => {
    await using hub = new Hub(SLOW, SILENT);
    const options = { cwd, env: { HF_ENDPOINT: hub.url } };
    const folder = join(cwd, FOLDER);
    const first = new Started(fineweb("1"), options);
    await untilNoted(folder, VAL, 1 << 20);
    const second = await run(fineweb("1"), options);
    assertEquals([second.code, second.stderr], [
      1,
      "Another nanogpt downloads into data/fineweb10B already: wait for it, or name another folder with --out\n",
    ]);
    first.signal("SIGKILL");
    await first.end();
    const held = noted(folder, VAL);
    hub.cdn.faults = {};
    const before = hub.cdn.sentOf();
    await mustRun(fineweb("1"), options);
    const all = Object.values(SLOW).reduce((sum, { length }) => sum + length, 0);
    assertEquals(hub.cdn.sentOf() - before, all - held + 2, "two bytes tell what the files are");
    requireShards(folder, SLOW);
  }));

Deno.test("SIGINT stops at once, with exit code 130, and the same command goes on", () =>
  inFolder(async (cwd) => {
    await using hub = new Hub(SLOW, SILENT);
    const options = { cwd, env: { HF_ENDPOINT: hub.url } };
    const started = new Started(fineweb("1"), options);
    await untilNoted(join(cwd, FOLDER), VAL, 1 << 20);
    started.signal("SIGINT");
    const { code, stdout } = await started.end();
    assertEquals([code, stdout], [130, "Interrupted; the same command goes on where it was\n"]);
    hub.cdn.faults = {};
    const { stderr } = await mustRun(fineweb("1"), options);
    assertMatch(stderr, /^2 files to fetch, 12\.0 MiB, [\d.]+ MiB of it here already\n/);
    requireShards(join(cwd, FOLDER), SLOW);
  }));

Deno.test("Files and manifest that were changed are refused, never repaired; what is the hub's is taken over", () =>
  inFolder(async (cwd) => {
    const files = shards(1);
    await using hub = new Hub(files);
    const options = { cwd, env: { HF_ENDPOINT: hub.url } };
    const [folder, path] = [join(cwd, FOLDER), join(cwd, FOLDER, TRAIN)];
    const good = files[TRAIN] ?? new Uint8Array();
    await mustRun(fineweb("1"), options);
    const refused = async (args: string[], expected: RegExp) => {
      const { code, stdout, stderr } = await run(args, options);
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, expected);
    };
    Deno.writeFileSync(path, good.subarray(0, 2000));
    await refused(
      fineweb("1"),
      /has 2000 bytes, the manifest says 3024: it was changed; remove it and run the same/,
    );
    const bad = good.slice();
    bad[2000] = (bad[2000] ?? 0) ^ 1;
    Deno.writeFileSync(path, bad);
    await refused(
      fineweb("1", "--verify"),
      /is damaged: its SHA-256 is [0-9a-f]{64}, the manifest says [0-9a-f]{64}; remove/,
    );
    Deno.writeTextFileSync(join(folder, "manifest.json"), '{"version": 1, "files": [{}]}');
    await refused(
      fineweb("1"),
      /manifest\.json is damaged; remove it and run the same command again: the files/,
    );
    Deno.removeSync(join(folder, "manifest.json"));
    await refused(
      fineweb("1"),
      /is there already, with 3024 bytes and SHA-256 .*, and is not the file at .*; remove it/,
    );
    Deno.writeFileSync(path, good);
    const before = hub.cdn.sentOf();
    await mustRun(fineweb("1"), options);
    requireShards(folder, files);
    assertEquals(
      hub.cdn.sentOf() - before,
      1,
      "the validation shard was in the manifest, the other is there",
    );
  }));

Deno.test("Too little room is told before anything is fetched; a disk that fills up keeps what has arrived", () =>
  inFolder(async (cwd) => {
    await using hub = new Hub(SLOW);
    const env = { HF_ENDPOINT: hub.url };
    // A limit to the size of files stands for a disk that fills up while the download runs.
    const limited = `trap '' XFSZ; ulimit -f 8192; cd '${cwd}' && HF_ENDPOINT=${hub.url} exec timeout 60 `;
    const command = new Deno.Command("sh", { args: ["-c", limited + quoted(fineweb("1"))], env });
    const { code, stderr } = await command.output();
    const said = new TextDecoder().decode(stderr);
    assertEquals(code, 2, said);
    assertMatch(
      said,
      /^Writing data\/fineweb10B\/fineweb_val_000000\.bin failed: .*; what has arrived is kept beside it: make room/m,
    );
    assert(noted(join(cwd, FOLDER), VAL) > 0);
    await mustRun(fineweb("1"), { cwd, env });
    requireShards(join(cwd, FOLDER), SLOW);

    const disk = join(cwd, "disk");
    await Deno.mkdir(disk);
    const mount = `mount -t tmpfs -o size=2m tmpfs '${disk}'`;
    const probe = await mounting(mount);
    if (!probe.success) {
      console.log(`Skipped: no small disk can be mounted here: ${probe.stderr.trim()}`);
      return;
    }
    const before = hub.cdn.sentOf();
    const fetch = quoted(fineweb("1", "--out", disk));
    const full = await mounting(`${mount} && { HF_ENDPOINT=${hub.url} ${fetch}; echo "code $?"; }`);
    assertEquals(full.stdout, "code 2\n", full.stderr);
    assertMatch(
      full.stderr,
      /There is too little room in .*: 12\.0 MiB are to come, 2\.00 MiB are free; make room, name/,
    );
    assertEquals(hub.cdn.sentOf() - before, 2);
  }));

Deno.test("A run trains on the shards that have arrived while later ones still arrive", () =>
  inFolder(async (cwd) => {
    const files = shards(2, 1500);
    await using hub = new Hub(files, {
      breaks: ({ name, span }) =>
        name === trainName(2) && span?.end !== 1 ? { after: 0, how: "silent" } : undefined,
    });
    const options = { cwd, env: { HF_ENDPOINT: hub.url } };
    const folder = join(cwd, FOLDER);
    const fetching = new Started(fineweb("2"), options);
    await fetching.shown(`${TRAIN}: `);
    const data = { "data.train": `${FOLDER}/fineweb_train_*.bin`, "data.val": `${FOLDER}/fineweb_val_*.bin` };
    const early = await mustRun([...trainArgs(cwd, data), "--out", "early"], { cwd });
    assertMatch(early.stdout, /^Done: validation loss /m);
    assert(namesIn(folder).includes(`.${trainName(2)}.part`), "the second training shard is still arriving");
    fetching.signal("SIGINT");
    assertEquals((await fetching.end()).code, 130);
    hub.cdn.faults = {};
    await mustRun(fineweb("2"), options);
    requireShards(folder, files);
    await mustRun([...trainArgs(cwd, data), "--out", "whole"], { cwd });
  }));

/** As many questions as there are; `last` in place of the last. */
function questions(count: number, last?: string): Uint8Array {
  const line = (i: number) =>
    JSON.stringify({ ind: i, ctx: `Then ${i}`, endings: ["a", "b", "c", "d"], label: i % 4 });
  const lines = range(0, count).map(line);
  if (last !== undefined) lines[count - 1] = last;
  return new TextEncoder().encode(lines.join("\n") + "\n");
}

Deno.test("hellaswag fetches its questions, checks each, and says how to use them", () =>
  inFolder(async (cwd) => {
    const name = "hellaswag_val.jsonl";
    const hellaswag = (url: string) => run(["data", "hellaswag", "--base-url", url], { cwd });
    const cases: [Uint8Array, RegExp][] = [
      [questions(10_041), /hellaswag_val\.jsonl holds 10041 questions, expected 10042, twice/],
      [questions(10_042, "{"), /line 10042 is not valid JSON: /],
      [
        questions(10_042, '{"ctx":"a","endings":["a","b","c"],"label":0}'),
        /must have a field "endings" that is an array of 4 strings; found/,
      ],
      [
        questions(10_042, '{"ctx":"a","endings":["a","b","c","d"],"label":4}'),
        /must have a field "label" that is a whole number from 0 to 3; /,
      ],
      [
        questions(10_042, '{"endings":["a","b","c","d"],"label":4}'),
        /must have a field "ctx" that is a string; it has none/,
      ],
    ];
    for (const [bytes, expected] of cases) {
      await using mirror = new FileServer({ [name]: bytes });
      const { code, stderr } = await hellaswag(mirror.url);
      assertEquals(code, 2);
      assertMatch(stderr, expected);
    }
    await using mirror = new FileServer({ [name]: questions(10_042) });
    const { code, stdout } = await hellaswag(mirror.url);
    assertEquals(code, 0);
    assertMatch(
      stdout,
      /^data\/hellaswag\/hellaswag_val\.jsonl holds HellaSwag's validation questions, .*\nUse it with: nanogpt eval CHECKPOINT --hellaswag data\/hellaswag\/hellaswag_val\.jsonl\n$/,
    );
    assertEquals(namesIn(join(cwd, "data/hellaswag")), [".lock", name, "manifest.json"]);
  }));
