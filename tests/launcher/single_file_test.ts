// ./nanogpt as `make` leaves it, copied alone to an empty folder: it trains with nothing around it, for any user, from any
// folder, and says what it is made of. And the script that takes a new machine from this file to a run.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { VERSION } from "../../lib/base/version.ts";
import { ROOT } from "../cli/command.ts";
import { flipBit, namesIn } from "../cli/small_run.ts";
import { exists, inOpenFolder, launcherOf, mayDropRights, start } from "./packed.ts";

const TRAIN = ["train", "--preset", "tiny", "--set", "schedule.steps=2", "--set", "device.threads=1"];
/** Of the single file with CPU kernels, compressed. */
const MOST_BYTES = 45e6;

/** The single file, copied alone into a folder. */
async function copyInto(folder: string): Promise<string> {
  const made = join(ROOT, "nanogpt");
  assert(exists(made), `${made} is missing; run \`make\` first`);
  const copy = join(folder, "nanogpt");
  await Deno.copyFile(made, copy);
  await Deno.chmod(copy, 0o755);
  return copy;
}

Deno.test("./nanogpt, copied alone to an empty folder and started with an empty environment", (t) =>
  inOpenFolder(async (folder) => {
    const program = await copyInto(folder);
    const home = join(folder, "a home");
    await Deno.mkdir(home);
    const options = { env: { HOME: home }, cwd: folder };
    await t.step(
      "tells version, commit, kernel ABI, instruction sets and GPU kernels, in six first starts at once",
      async () => {
        const found = await Promise.all(
          Array.from({ length: 6 }, () => start(program, ["--version"], options)),
        );
        for (const { code, stdout, stderr } of found) {
          assertEquals([code, stderr], [0, ""]);
          assertMatch(
            stdout,
            new RegExp(
              `^nanogpt ${VERSION}\ncommit ([0-9a-f]{12}(-dirty)?|unknown)\nkernel ABI ${NANOGPT_ABI_VERSION}\n` +
                "instruction sets portable(, \\w+)*\n" +
                `cuda kernels (not built .*|ABI ${NANOGPT_ABI_VERSION})\nemulated kernels ABI ${NANOGPT_ABI_VERSION}\n$`,
            ),
          );
        }
        const cache = namesIn(join(home, ".cache/nanogpt"));
        assertEquals([cache.length, cache[1]], [2, "lock"]);
      },
    );
    await t.step("trains, through a link too, and writes only the run and its cache", async () => {
      await Deno.symlink("nanogpt", join(folder, "a link"));
      const { code, stdout, stderr } = await start(join(folder, "a link"), TRAIN, options);
      assertEquals(code, 0, stderr);
      assertMatch(
        stdout,
        /^Done: validation loss 10\.\d+, 2 steps, .*; the run lies in .*\/runs\/tiny-[\d-]+\n$/,
      );
      assertEquals(namesIn(folder), ["a home", "a link", "nanogpt", "runs"]);
      assertEquals(namesIn(home), [".cache"]);
    });
    await t.step("says that the corpus is inside already", async () => {
      const { code, stdout } = await start(program, ["data", "sample"], options);
      assertEquals(code, 0);
      assertMatch(
        stdout,
        /^The built-in corpus is there already:\n {2}.*builtin_train\.bin\n {2}.*builtin_val\.bin\n$/,
      );
    });
    await t.step("finds and repairs a damaged kernel library", async () => {
      const [version = ""] = namesIn(join(home, ".cache/nanogpt"));
      const library = join(home, ".cache/nanogpt", version, "app/build/libnanogpt_cpu.so");
      flipBit(library, 100_000);
      const { code, stdout } = await start(program, ["--verify-install"], options);
      assertEquals(code, 0);
      assertMatch(
        stdout,
        /^Damaged in .*: app\/build\/libnanogpt_cpu\.so\nUnpacked anew\nAll \d+ files in .* are right\n$/,
      );
    });
    await t.step(`is smaller than ${MOST_BYTES / 1e6} MB`, async () => {
      if (launcherOf("zstd") !== undefined) assert((await Deno.stat(program)).size < MOST_BYTES);
    });
  }));

Deno.test("./nanogpt for another user: no HOME to write to, and a current folder that cannot be written to", () =>
  inOpenFolder(async (folder) => {
    if (!mayDropRights()) return;
    const program = await copyInto(folder);
    const tmp = join(folder, "tmp");
    await Deno.mkdir(tmp);
    await Deno.chmod(tmp, 0o1777);
    const options = { env: { HOME: folder, TMPDIR: tmp }, cwd: folder, unprivileged: true };
    const refused = await start(program, TRAIN, options);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(
      refused.stderr,
      /^Cannot write to the run's folder .*: Permission denied .*; choose another with --out\n$/,
    );
    const { code, stderr } = await start(program, [...TRAIN, "--out", join(tmp, "run")], options);
    assertEquals(code, 0, stderr);
    assertEquals(namesIn(tmp), ["nanogpt-65534", "run"]);
    // Unpacked by root, as in an image: nothing of it can be written to, and it works all the same.
    const shared = { env: { NANOGPT_CACHE: join(folder, "shared"), HOME: "/nowhere" }, cwd: folder };
    await Deno.mkdir(join(folder, "shared"));
    assertEquals((await start(program, ["--verify-install"], shared)).code, 0);
    const again = await start(program, [...TRAIN, "--out", join(tmp, "shared run")], {
      ...shared,
      unprivileged: true,
    });
    assertEquals(again.code, 0, again.stderr);
  }));

Deno.test("new-machine.sh checks the machine and trains; run again it goes on", () =>
  inOpenFolder(async (folder) => {
    await copyInto(folder);
    const script = join(folder, "new-machine.sh");
    await Deno.copyFile(join(ROOT, "scripts", "new-machine.sh"), script);
    const env = { PATH: "/usr/bin:/bin", HOME: folder, PRESET: "tiny", OUT: join(folder, "the run") };
    const found = [];
    for (const _ of ["first", "second"]) found.push(await start(script, TRAIN.slice(3), { env, cwd: "/" }));
    for (const { code, stdout, stderr } of found) {
      assertEquals(code, 0, stderr);
      assertMatch(
        stdout,
        new RegExp(
          `^All \\d+ files in .* are right\nnanogpt {5}${VERSION}, [^]*\nDone: .*the run lies in .*the run\n$`,
        ),
      );
    }
    assertStringIncludes(found[1]?.stderr ?? "", "The run is finished already; there is nothing left to do");
    // What it does with the record's data, on a nanogpt that only says what it was asked.
    await Deno.writeTextFile(join(folder, "nanogpt"), '#!/bin/sh\necho "$@"\n');
    const asked = await start(script, ["--ranks", "2"], { env: { PATH: env.PATH, SHARDS: "3" } });
    assertEquals(asked.stdout.split("\n"), [
      "--verify-install",
      "info",
      "data fineweb10B 3",
      "train --preset speedrun-2024-11-19 --out runs/speedrun-2024-11-19 --resume auto --ranks 2",
      "",
    ]);
    await Deno.remove(join(folder, "nanogpt"));
    const alone = await start(script, [], { env });
    assertEquals(alone.code, 1);
    assertMatch(alone.stderr, /^Cannot find nanogpt beside .*; give its path as NANOGPT\n$/);
  }));
