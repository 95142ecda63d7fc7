// nanogpt watch as a user sees it: one frame where there is no terminal, and in a real one (tmux, 80 x 24) a run that
// starts, grows and ends, a resize, q and Ctrl-C. Without tmux the tests of the terminal say that they are skipped.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inFolder, line, putRun, record } from "../view/made_up_runs.ts";
import { nanogpt } from "./command.ts";
import { denoArgs } from "./small_run.ts";

const PLAIN = { LC_ALL: "C", TERM: "xterm", COLUMNS: "80", LINES: "24" };

Deno.test("watch --once prints a frame of plain ASCII; so does watch where there is no terminal", () =>
  inFolder(async (parent) => {
    const run = putRun(parent, "run", Array.from({ length: 12 }, (_, i) => record(i + 1, { valLoss: 3 })));
    const before = Deno.statSync(run).mtime;
    const [once, bare] = await Promise.all([
      nanogpt(["watch", run, "--once"], { env: PLAIN }),
      nanogpt(["watch", run], { env: PLAIN }),
    ]);
    assertEquals([once.code, once.stderr], [0, ""]);
    assertEquals(bare, once);
    const lines = once.stdout.trimEnd().split("\n");
    assertEquals(lines.length, 23);
    assertEquals(lines.slice(0, 2), [
      "run: ended, 0:03 of training",
      "[####################] step 12/12 100%",
    ]);
    assertMatch(once.stdout, /^[\n -~]*$/, "plain ASCII, no colours");
    assertEquals(Deno.statSync(run).mtime, before, "nothing was written");
    const unicode = await nanogpt(["watch", run, "--once"], { env: { ...PLAIN, LC_ALL: "C.UTF-8" } });
    assertMatch(unicode.stdout, /[\u2801-\u28ff]/);
  }));

Deno.test("watch refuses what is no run, at once", () =>
  inFolder(async (parent) => {
    const missing = await nanogpt(["watch", join(parent, "none")]);
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertMatch(missing.stderr, /none: there is nothing; give the folder of a run/);
    const empty = await nanogpt(["watch", "--once", parent]);
    assertEquals(empty.code, 1);
    assertMatch(empty.stderr, /holds no run: expected config\.json/);
  }));

/** A terminal of its own that runs one command. */
class Tmux {
  readonly #socket: string;

  constructor(folder: string) {
    this.#socket = join(folder, "tmux");
  }

  /** Runs `tmux`; undefined: there is none here. */
  async call(...args: string[]): Promise<string | undefined> {
    try {
      const command = new Deno.Command("tmux", {
        args: ["-S", this.#socket, "-f", "/dev/null", ...args],
        env: { TERM: "xterm", LC_ALL: "C.UTF-8" },
        stdin: "null",
      });
      return new TextDecoder().decode((await command.output()).stdout);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Starts nanogpt in 80 x 24; its exit code is shown after it. Returns whether that was possible. */
  async start(args: readonly string[], env: string): Promise<boolean> {
    const words = [Deno.execPath(), ...denoArgs(args)].map((word) => `'${word}'`).join(" ");
    const script = `export ${env}; timeout --foreground 60 ${words}; echo "code: $?"; sleep 60`;
    return await this.call("new-session", "-d", "-x", "80", "-y", "24", script) !== undefined;
  }

  /** Waits until the terminal shows `wanted`; returns all that it shows. */
  async shows(wanted: RegExp): Promise<string> {
    let shown = "";
    for (let i = 0; i < 300 && !wanted.test(shown); i++) {
      await new Promise((wake) => setTimeout(wake, 100));
      shown = await this.call("capture-pane", "-p", "-e") ?? "";
    }
    assertMatch(shown, wanted);
    return shown;
  }
}

/** Runs `use` with a terminal in which `watch` of `run` was started. */
async function watching(
  parent: string,
  run: string,
  env: string,
  use: (tmux: Tmux) => Promise<void>,
): Promise<void> {
  const tmux = new Tmux(parent);
  try {
    if (await tmux.start(["watch", run], env)) await use(tmux);
    else console.log("Skipped: there is no tmux here to make a terminal with");
  } finally {
    await tmux.call("kill-server");
  }
}

Deno.test("In a terminal watch waits for a run, follows it, redraws on a resize, and ends with it", () =>
  inFolder(async (parent) => {
    const run = join(parent, "run");
    Deno.mkdirSync(run);
    await watching(parent, run, "LC_ALL=C NO_COLOR=1", async (tmux) => {
      await tmux.shows(/run: waiting for its first step/);
      const made = putRun(parent, "made", Array.from({ length: 6 }, (_, i) => record(i + 1)));
      for (const file of ["config.json", "metrics.jsonl"]) Deno.renameSync(join(made, file), join(run, file));
      const first = await tmux.shows(/step 6\/12 50%/);
      const lines = first.trimEnd().split("\n");
      assertEquals(lines.length, 24);
      assertMatch(lines[23] ?? "", /^\. training loss, smoothed {3}o validation loss +q: leave$/);
      assert(!first.includes("\x1b"), "no colour");
      const add = (step: number) => {
        const text = line(record(step, { valLoss: 4 }));
        Deno.writeTextFileSync(join(run, "metrics.jsonl"), text, { append: true });
      };
      add(7);
      await tmux.shows(/step 7\/12 58%/);
      await tmux.call("resize-window", "-x", "60", "-y", "15");
      const small = (await tmux.shows(/-{40,52}\n/)).trimEnd().split("\n");
      assert(small.length === 15 && small.every((text) => text.length <= 60), small.join("\n"));
      add(12);
      const ended = await tmux.shows(/code: 0/);
      assertStringIncludes(ended, "step 12/12 100%");
    });
  }));

for (const [key, name] of [["q", "q"], ["C-c", "Ctrl-C"]] as const) {
  Deno.test(`In a terminal ${name} leaves watch with exit code 0, and the last frame stays`, () =>
    inFolder(async (parent) => {
      const run = putRun(parent, "run", Array.from({ length: 6 }, (_, i) => record(i + 1)));
      await watching(parent, run, "LC_ALL=C.UTF-8 NO_COLOR=", async (tmux) => {
        const shown = await tmux.shows(/q: leave/);
        // deno-lint-ignore no-control-regex -- the colour itself
        assertMatch(shown, /\x1b\[36m[\u2801-\u28ff]/, "dots in cyan");
        await tmux.call("send-keys", key);
        const after = await tmux.shows(/code: 0/);
        assertMatch(after, /step 6\/12 50%/);
        assert(!after.includes("q: leave"));
      });
    }));
}
