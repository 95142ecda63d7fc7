// The launcher as a user meets it, in both forms: what it passes on, where it unpacks, once and whole, and what it says
// when it cannot. With small programs in place of the real one, which single_file_test.ts starts.

import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Form } from "../../tools/launcher/archive.ts";
import { flipBit, namesIn } from "../cli/small_run.ts";
import {
  commandOf,
  exists,
  inOpenFolder,
  launcherOf,
  mayDropRights,
  mayMount,
  mounting,
  packSmall,
  start,
} from "./packed.ts";

const FORMS: readonly Form[] = ["stored", "zstd"];

/** The unpacked versions in a cache folder. */
function versionsIn(cache: string): string[] {
  return namesIn(cache).filter((name) => /^[0-9a-f]{32}$/.test(name));
}

/** Waits until a child has printed something, and returns it. */
async function firstWords(child: Deno.ChildProcess): Promise<string> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return new TextDecoder().decode(value);
}

for (const form of FORMS) {
  Deno.test(`Arguments, exit code, streams and signals pass through unchanged (${form})`, () =>
    inOpenFolder(async (folder) => {
      if (launcherOf(form) === undefined) return;
      const program = packSmall(folder, "a program", { form });
      const env = { HOME: folder };
      const words = ["words", "--help", "", "two words", "-A", "--version", "*", "--verify-install"];
      assertEquals(await start(program, words, { env }), {
        code: 0,
        stdout: words.slice(1).map((word) => `<${word}>`).join(""),
        stderr: "",
      });
      for (const code of [0, 1, 7, 125, 255]) {
        assertEquals((await start(program, ["exit", String(code)], { env })).code, code);
      }
      const shell = 'printf "in\\000put" | "$0" copy; "$0" env -i';
      const copied = await start("/bin/sh", ["-c", shell, program], { env });
      assertEquals([copied.stdout.startsWith("in\0put"), copied.stderr], [true, "copied\n"]);
      const child = commandOf(program, ["wait"], { env }).spawn();
      assertEquals(await firstWords(child), "ready\n");
      child.kill("SIGINT");
      assertEquals(await firstWords(child), "caught\n");
      await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
      assertEquals((await child.status).code, 130);
      const dying = commandOf(program, ["wait"], { env }).spawn();
      await firstWords(dying);
      dying.kill("SIGTERM");
      await Promise.all([dying.stdout.cancel(), dying.stderr.cancel()]);
      assertEquals((await dying.status).signal, "SIGTERM");
    }));

  Deno.test(`A damaged, cut or lengthened file says so and leaves nothing: exit code 125 (${form})`, () =>
    inOpenFolder(async (folder) => {
      const launcher = launcherOf(form);
      if (launcher === undefined) return;
      const program = packSmall(folder, "program", { form });
      const whole = Deno.readFileSync(program);
      const body = Deno.statSync(launcher).size;
      const cases: [string, () => void, RegExp][] = [
        [
          "packed file",
          () => flipBit(program, whole.length - 5000),
          /is damaged at its app\/build\/ballast file\.bin \(.+\)/,
        ],
        ["runtime", () => flipBit(program, body + 30), /is damaged at its nanogpt \(.+\)/],
        ["index", () => flipBit(program, whole.length - 200), /the index of the file .* is damaged/],
        ["footer", () => flipBit(program, whole.length - 1), /the index of the file .* is damaged/],
        ["magic", () => flipBit(program, whole.length - 160), /was cut off or changed at its end/],
        ["cut", () => Deno.truncateSync(program, whole.length - 999), /was cut off or changed at its end/],
        ["no payload", () => Deno.truncateSync(program, body), /was cut off or changed at its end/],
        ["holed", () => Deno.writeFileSync(program, cutInside(whole)), /has \d+ bytes, it was made with \d+/],
        [
          "appended",
          () => Deno.writeTextFileSync(program, "more", { append: true }),
          /was cut off or changed/,
        ],
      ];
      for (const [name, damage, said] of cases) {
        Deno.writeFileSync(program, whole);
        damage();
        const cache = join(folder, "cache");
        const { code, stdout, stderr } = await start(program, ["words"], { env: { NANOGPT_CACHE: cache } });
        assertEquals([code, stdout], [125, ""], name);
        assertMatch(stderr, new RegExp(`^Cannot start nanogpt: .*${said.source}.*; get it again\n$`), name);
        if (exists(cache)) assertEquals(namesIn(cache), ["lock"], `${name} leaves nothing unpacked`);
      }
    }));

  Deno.test(`--verify-install finds a changed byte and repairs it (${form})`, () =>
    inOpenFolder(async (folder) => {
      if (launcherOf(form) === undefined) return;
      const program = packSmall(folder, "program", { form });
      const env = { NANOGPT_CACHE: join(folder, "cache") };
      const fresh = await start(program, ["--verify-install"], { env });
      const [version = ""] = versionsIn(env.NANOGPT_CACHE);
      const unpacked = join(env.NANOGPT_CACHE, version);
      const right = `All 3 files in ${unpacked} are right\n`;
      assertEquals(fresh, { code: 0, stdout: right, stderr: "" });
      flipBit(join(unpacked, "app/build/ballast file.bin"), 77);
      assertEquals(await start(program, ["--verify-install"], { env }), {
        code: 0,
        stdout: `Damaged in ${unpacked}: app/build/ballast file.bin\nUnpacked anew\n${right}`,
        stderr: "",
      });
      assertEquals((await start(program, ["--verify-install"], { env })).stdout, right);
      // It stands alone; with more it belongs to the program.
      assertEquals(
        (await start(program, ["words", "--verify-install"], { env })).stdout,
        "<--verify-install>",
      );
    }));
}

/** All but a hundred bytes in the middle. */
function cutInside(bytes: Uint8Array): Uint8Array {
  const at = bytes.length - 3000;
  return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 100)]);
}

Deno.test("The environment: what deno must and must not see, where the program lies, all else as it was", () =>
  inOpenFolder(async (folder) => {
    const program = packSmall(folder, "program");
    const link = join(folder, "a link");
    await Deno.symlink("program", link);
    const foreign = { COMPLETE: "bash", DENO_V8_FLAGS: "--no", DENO_COMPAT: "1", NODE_OPTIONS: "--no" };
    const env = { HOME: folder, ...foreign, DENO_DIR: "/elsewhere", KEPT: "as it was" };
    const { stdout } = await start(link, ["env"], { env });
    const seen = Object.fromEntries(
      stdout.trimEnd().split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    const [version = ""] = versionsIn(join(folder, ".cache/nanogpt"));
    assertEquals(Object.keys(foreign).filter((name) => name in seen), []);
    assertEquals(seen["NANOGPT_EXE"], program);
    assertEquals(seen["DENO_DIR"], join(folder, ".cache/nanogpt", version, "deno"));
    assertEquals([seen["DENO_NO_UPDATE_CHECK"], seen["DENO_NO_PACKAGE_JSON"]], ["1", "1"]);
    assertEquals([seen["KEPT"], seen["DENO_TLS_CA_STORE"]], ["as it was", "system,mozilla"]);
    const chosen = await start(link, ["env"], { env: { ...env, DENO_TLS_CA_STORE: "system" } });
    assertMatch(chosen.stdout, /^DENO_TLS_CA_STORE=system$/m);
  }));

Deno.test("The cache folder: NANOGPT_CACHE, else XDG_CACHE_HOME, else HOME, else TMPDIR", () =>
  inOpenFolder(async (folder) => {
    const program = packSmall(folder, "program");
    const at = (name: string) => join(folder, name);
    const all = { NANOGPT_CACHE: at("own"), XDG_CACHE_HOME: at("xdg"), HOME: at("home"), TMPDIR: at("tmp") };
    const places = ["own", "xdg/nanogpt", "home/.cache/nanogpt", `tmp/nanogpt-${Deno.uid()}`];
    const names = Object.keys(all);
    for (const [i, place] of places.entries()) {
      const env = Object.fromEntries(Object.entries(all).filter(([name]) => names.indexOf(name) >= i));
      assertEquals((await start(program, ["words", "x"], { env })).stdout, "<x>");
      assertEquals(versionsIn(at(place)).length, 1, place);
      await Deno.remove(at(place), { recursive: true });
    }
    const relative = await start(program, ["words"], { env: { ...all, NANOGPT_CACHE: "own" } });
    assertEquals(relative, {
      code: 125,
      stdout: "",
      stderr: 'Cannot start nanogpt: NANOGPT_CACHE is "own", expected a full path\n',
    });
  }));

Deno.test("Six first starts at once unpack once and all work", () =>
  inOpenFolder(async (folder) => {
    const program = packSmall(folder, "program", { ballast: 8_000_000 });
    const env = { HOME: folder };
    const found = await Promise.all(
      Array.from({ length: 6 }, (_, i) => start(program, ["words", `${i}`], { env })),
    );
    assertEquals(
      found.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
      found.map((_, i) => [0, `<${i}>`, ""]),
    );
    const cache = join(folder, ".cache/nanogpt");
    assertEquals(namesIn(cache), [...versionsIn(cache), "lock"]);
    assertEquals(versionsIn(cache).length, 1);
  }));

Deno.test("A start that was killed, and a cached file that is cut or gone, are repaired by the next start", () =>
  inOpenFolder(async (folder) => {
    const program = packSmall(folder, "program");
    const cache = join(folder, "cache");
    const env = { NANOGPT_CACHE: cache };
    await Deno.mkdir(join(cache, "temporary-abc123/app"), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(join(cache, "temporary-abc123/app/main.js"), "half");
    const again = async () => assertEquals((await start(program, ["words", "x"], { env })).stdout, "<x>");
    await again();
    const [version = ""] = versionsIn(cache);
    assertEquals(namesIn(cache), [version, "lock"]);
    const ballast = join(cache, version, "app/build/ballast file.bin");
    const right = Deno.readFileSync(ballast);
    for (const harm of [() => Deno.truncateSync(ballast, 5), () => Deno.removeSync(ballast)]) {
      harm();
      await again();
      assertEquals(Deno.readFileSync(ballast), right);
    }
    const before = Deno.statSync(ballast).ino;
    await again();
    assertEquals(Deno.statSync(ballast).ino, before, "a start that finds all in place unpacks nothing");
  }));

Deno.test("Another version is removed once nobody uses it", () =>
  inOpenFolder(async (folder) => {
    const cache = join(folder, "cache");
    const env = { NANOGPT_CACHE: cache };
    const [first, second, third] = [1, 2, 3].map((version) =>
      packSmall(folder, `program ${version}`, { version })
    );
    assert(first !== undefined && second !== undefined && third !== undefined);
    const child = commandOf(first, ["hold"], { env }).spawn();
    await firstWords(child);
    const [held = ""] = versionsIn(cache);
    await start(second, ["words"], { env });
    assertEquals(versionsIn(cache).length, 2, "the version in use stays");
    assertEquals(Deno.readTextFileSync(join(cache, held, "app/main.js")), "version 1");
    child.kill("SIGKILL");
    await Promise.all([child.stdout.cancel(), child.stderr.cancel(), child.status]);
    await start(third, ["words"], { env });
    const left = versionsIn(cache);
    assertEquals(left.length, 1);
    assertNotEquals(left[0], held);
  }));

Deno.test("A HOME that cannot be written to, and one of another user: it goes to the folder for temporary files", () =>
  inOpenFolder(async (folder) => {
    if (!mayDropRights()) return;
    const program = packSmall(folder, "program");
    const tmp = join(folder, "tmp");
    await Deno.mkdir(tmp);
    await Deno.chmod(tmp, 0o1777);
    const env = { HOME: folder, TMPDIR: tmp };
    const options = { env, unprivileged: true };
    assertEquals((await start(program, ["words", "x"], options)).stdout, "<x>");
    assertEquals(versionsIn(join(tmp, "nanogpt-65534")).length, 1);
    // Unpacked by root, it serves all users, who cannot change it.
    await Deno.mkdir(join(folder, "shared"), { mode: 0o755 });
    const shared = { env: { NANOGPT_CACHE: join(folder, "shared") } };
    assertEquals((await start(program, ["--verify-install"], shared)).code, 0);
    const served = { ...shared, unprivileged: true };
    assertEquals((await start(program, ["words", "y"], served)).stdout, "<y>");
    const [version = ""] = versionsIn(shared.env.NANOGPT_CACHE);
    flipBit(join(shared.env.NANOGPT_CACHE, version, "app/main.js"), 0);
    const damaged = await start(program, ["--verify-install"], served);
    assertEquals([damaged.code, /: app\/main\.js\n$/.test(damaged.stdout)], [125, true], damaged.stdout);
    assertMatch(
      damaged.stderr,
      /^Cannot start nanogpt: .* cannot be unpacked anew: Permission denied; .*\n$/,
    );
    // A folder of another user's is not trusted, nor one that others may write to.
    await Deno.mkdir(join(folder, "strange"), { mode: 0o777 });
    await Deno.chmod(join(folder, "strange"), 0o777);
    const strange = await start(program, ["words"], { env: { NANOGPT_CACHE: join(folder, "strange") } });
    assertEquals(strange.code, 125);
    assertStringIncludes(strange.stderr, "it belongs to another user, or others may write to it");
  }));

Deno.test("A full disk and one that runs no programs: one message, exit code 125, nothing left", () =>
  inOpenFolder(async (folder) => {
    if (!await mayMount()) return;
    const program = packSmall(folder, "program", { ballast: 3_000_000 });
    const disk = join(folder, "disk");
    await Deno.mkdir(disk);
    const tries: [string, RegExp][] = [
      ["size=1m", /: No space left on device\);/],
      ["size=9m,noexec", /: no program may be run from there \(it is mounted noexec\)\);/],
    ];
    for (const [option, said] of tries) {
      const found = await mounting(
        `mount -t tmpfs -o ${option},mode=0755 tmpfs '${disk}'; NANOGPT_CACHE='${disk}' '${program}' words; echo $?; ls '${disk}'`,
      );
      assertEquals(found.stdout.split("\n").filter((line) => line !== "lock"), ["125", ""], option);
      assertMatch(
        found.stderr,
        /^Cannot start nanogpt: no folder to unpack it into \(.*\); set NANOGPT_CACHE to one .*\n$/,
      );
      assertMatch(found.stderr, said);
    }
    // Where the first place is full the next one serves.
    const next = await mounting(
      `mount -t tmpfs -o size=1m,mode=0755 tmpfs '${disk}'; HOME='${disk}' TMPDIR='${folder}' '${program}' words x`,
    );
    assertEquals(next, { code: 0, stdout: "<x>", stderr: "" });
  }));

Deno.test("The launcher adds less than 30 ms to a start", () =>
  inOpenFolder(async (folder) => {
    const program = packSmall(folder, "program", { runtime: "/bin/true" });
    const env = { HOME: folder };
    await start(program, [], { env });
    const times: [number[], number[]] = [[], []];
    for (let i = 0; i < 41; i++) {
      for (const [which, command] of [program, "/bin/true"].entries()) {
        const before = performance.now();
        await start(command, [], { env });
        times[which]?.push(performance.now() - before);
      }
    }
    const [launched = Infinity, plain = 0] = times.map((list) => list.toSorted((a, b) => a - b)[20]);
    assert(launched - plain < 30, `median ${launched} ms with the launcher, ${plain} ms without`);
  }));
