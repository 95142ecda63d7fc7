// Wrong input that only a run can find: folders it cannot write to, shards of every kind of damage, too little memory.
// Each gives one message on standard error, exit code 1, and leaves no folder that would stand in the next attempt's
// way. Wrong configurations are tested in tests/config.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { type HeaderFields, putShard, shardBytes } from "../data/helpers.ts";
import { type Finished, ROOT } from "./command.ts";
import {
  denoArgs,
  inRunFolder,
  namesIn,
  run,
  sets,
  someTokens,
  STEP_TOKENS,
  trainArgs,
} from "./small_run.ts";

/** Runs several commands side by side, as many as there are cores on a small machine. */
async function inPairs<T>(all: readonly T[], body: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += 2) await Promise.all(all.slice(i, i + 2).map(body));
}

/** A shard of data.train, and what is said of it after its path. */
interface ShardCase {
  readonly name: string;
  readonly put: (path: string) => Promise<void>;
  readonly said: RegExp;
}

const TOKENS = someTokens(300, 9);
const withHeader = (header: HeaderFields) => (path: string) =>
  Deno.writeFile(path, shardBytes(TOKENS, header));

const SHARDS: readonly ShardCase[] = [
  {
    name: "wrong magic",
    put: withHeader({ magic: 20240801 }),
    said: /is not a token shard: expected 20240520 as its first number, found 20240801; make shards with/,
  },
  {
    name: "wrong version",
    put: withHeader({ version: 2 }),
    said: /has version 2, expected 1 \(uint16 tokens\)/,
  },
  {
    name: "fewer tokens than stated",
    put: withHeader({ count: 301 }),
    said: /holds fewer tokens than stated \(cut short\?\): its header states 301 tokens, the file holds 300/,
  },
  {
    name: "more tokens than stated",
    put: withHeader({ count: 299 }),
    said: /holds more tokens than stated: its header states 299 tokens, the file holds 300/,
  },
  {
    name: "cut in the middle of a token",
    put: (path) => Deno.writeFile(path, shardBytes(TOKENS).subarray(0, 1501)),
    said: /is cut in the middle of a token: its header states 300 tokens, the file holds 238 and one byte/,
  },
  {
    name: "cut in the header",
    put: (path) => Deno.writeFile(path, shardBytes(TOKENS).subarray(0, 600)),
    said: /is not a token shard: it has 600 bytes, expected a header of 1024 bytes/,
  },
  {
    name: "empty",
    put: (path) => Deno.writeFile(path, new Uint8Array()),
    said: /is not a token shard: it is empty/,
  },
  {
    name: "a directory",
    put: (path) => Deno.mkdir(path),
    said: /it is a folder; name the files in it, as in .*\/\*\.bin/,
  },
  {
    name: "a link to nothing",
    put: (path) => Deno.symlink("nowhere", path),
    said: /^Cannot read the shard .*: it does not exist; check the path/,
  },
  {
    name: "shorter than one step",
    put: (path) => Deno.writeFile(path, shardBytes(TOKENS.slice(0, STEP_TOKENS))),
    said:
      /of data\.train is shorter than one step: it holds 64 tokens, one step needs 65 \(.*\); lower one of them or/,
  },
];

/** Runs a command that must be refused with one line before anything is written into `out`. */
async function refused(args: readonly string[], said: RegExp, out: string): Promise<void> {
  const { code, stdout, stderr } = await run([...args, "--out", out]);
  assertEquals([code, stdout], [1, ""], stderr);
  assertMatch(stderr.trimEnd(), said);
  assertEquals(stderr.trimEnd().split("\n").length, 1, "one message, no stack");
  assert(!(await exists(out)), "no folder is left behind");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("Training shards with faults are refused, each with its message", () =>
  inRunFolder(async (folder) => {
    const out = (name: string) => join(folder, `out ${name}`);
    await inPairs(SHARDS, async ({ name, put, said }) => {
      const path = join(folder, `bad ${name}.bin`);
      await put(path);
      await refused([...trainArgs(folder), ...sets({ "data.train": path })], said, out(name));
    });
  }));

Deno.test("What the shards' keys name must be there and hold enough", () =>
  inRunFolder(async (folder) => {
    const short = await putShard(folder, "short.bin", TOKENS.slice(0, 256));
    const strange = await putShard(folder, "strange.bin", [...TOKENS.slice(0, 30), 256, ...TOKENS]);
    const cases: [Record<string, string>, RegExp][] = [
      [
        { "data.train": join(folder, "none_*.bin") },
        /^No file matches data\.train ".*none_\*\.bin": no name matches none_\*\.bin; check/,
      ],
      [
        { "data.val": join(folder, "nowhere", "*.bin") },
        /^No file matches data\.val ".*": nowhere does not exist; check/,
      ],
      [
        { "data.val": short },
        /short\.bin of data\.val is too short for data\.valTokens 256: it holds 256 tokens, 257 are needed .*; lower data\.valTokens to at most 240$/,
      ],
      [
        { "data.train": "builtin:all" },
        /^data\.train is "builtin:all"; the built-in corpora are builtin:train and builtin:val$/,
      ],
      [
        { "data.train": strange },
        /^Shard .*strange\.bin does not fit the model: token 256 at position 30, but model\.vocab is 256; raise/,
      ],
    ];
    await inPairs(cases, async ([values, said]) => {
      const out = join(folder, `out ${Object.values(values).join().replaceAll("/", " ")}`);
      if (values["data.train"] !== strange) await refused([...trainArgs(folder), ...sets(values)], said, out);
      else {
        // Found when the first step is loaded: the run has begun, and can be taken up once the shard is right.
        const { code, stderr } = await run([...trainArgs(folder), ...sets(values), "--out", out]);
        assertEquals(code, 1);
        assertMatch(stderr.trimEnd().split("\n").at(-1) ?? "", said);
      }
    });
  }));

Deno.test("A token that the model does not know, in the middle of a run: the steps before it are kept", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const bad = await Deno.readFile(join(folder, "train_1.bin"));
    bad[1024 + 2 * 100 + 1] = 1; // token 100 of the second shard becomes 256 and more
    await Deno.writeFile(join(folder, "train_1.bin"), bad);
    const { code, stdout, stderr } = await run([...trainArgs(folder), "--out", out]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^step:11\/12 checkpoint .*step-000011\nShard .*train_1\.bin does not fit the model: token \d{3} at position 100, but model\.vocab is 256; raise model\.vocab or use shards made with another vocabulary\n$/m,
    );
    const again = await run(["train", "--resume", out]);
    assertEquals([again.code, again.stderr.includes("going on after step 11\n")], [1, true]);
    assertEquals(namesIn(join(out, "checkpoints")), ["step-000011"]);
  }));

Deno.test("A folder that cannot be written to is refused", () =>
  inRunFolder(async (folder) => {
    for (const out of [join(folder, "val.bin"), join(folder, "val.bin", "run"), "/proc/nanogpt"]) {
      const { code, stdout, stderr } = await run([...trainArgs(folder), "--out", out]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^Cannot write to the run's folder .*: .*; choose another with --out\n$/);
    }
    assertEquals(await Deno.readFile(join(folder, "val.bin")), shardBytes(someTokens(300, 3)));
  }));

Deno.test("More memory than the machine has: the plan's table and the keys to lower, before anything else", () =>
  inRunFolder(async (folder) => {
    const cases = [
      {
        "data.sequenceLength": 5_000_000,
        "data.valTokens": 5_000_000,
        "model.dim": 128,
        "model.layers": 100,
      },
      { "model.dim": 16384, "model.heads": 128, "model.layers": 100, "model.vocab": 50304 },
    ];
    await inPairs(cases, async (values) => {
      const out = join(folder, `out ${Object.values(values).join()}`);
      const { code, stdout, stderr } = await run([...trainArgs(folder, values), "--out", out]);
      assertEquals([code, stdout], [1, ""]);
      const lines = stderr.trimEnd().split("\n");
      assertMatch(
        lines[0] ?? "",
        /^The plan needs [\d.]+ [GT]iB of memory, this machine has [\d.]+ GiB available:$/,
      );
      for (const use of ["short-lived", "parameter", "gradient"]) {
        assert(
          lines.slice(1, -1).some((line) => new RegExp(`^  ${use} .*iB +\\d+%$`).test(line)),
          `${use}:\n${stderr}`,
        );
      }
      assertMatch(
        lines.at(-1) ?? "",
        /^Lower data\.deviceBatchSequences or data\.sequenceLength .*model\.layers, model\.dim or model\.vocab/,
      );
      assert(!(await exists(out)));
    });
  }));

/** Runs a command as a user without rights; undefined where this machine does not let us, or that user sees nothing. */
async function runUnprivileged(args: readonly string[]): Promise<Finished | undefined> {
  const home = await Deno.makeTempDir();
  const options: Deno.CommandOptions = {
    env: { NO_COLOR: "1", HOME: home },
    cwd: ROOT,
    stdin: "null",
  };
  const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", Deno.execPath()];
  try {
    const run = (more: readonly string[]) =>
      new Deno.Command("setpriv", { ...options, args: [...drop, ...more] }).output();
    if (!(await run(denoArgs(["--version"]))).success) return undefined;
    const { code, stdout, stderr } = await run(denoArgs(args));
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("A shard that may not be read is refused", () =>
  inRunFolder(async (folder) => {
    await Deno.chmod(folder, 0o777);
    const shard = await putShard(folder, "locked.bin", TOKENS);
    await Deno.chmod(shard, 0o000);
    const out = join(folder, "run");
    const args = [...trainArgs(folder), ...sets({ "data.train": shard }), "--out", out];
    // Permissions do not bind root, so root runs it as nobody.
    const found = Deno.uid() === 0 ? await runUnprivileged(args) : await run(args);
    if (found === undefined) {
      console.log("skipped: as root, and no other user can run Deno and the project here");
      return;
    }
    assertEquals([found.code, found.stdout], [1, ""], found.stderr);
    assertMatch(found.stderr, /^Cannot read the shard .*locked\.bin: .*permission.*\n$/i);
    assert(!(await exists(out)));
  }));
