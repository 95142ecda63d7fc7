// A disk that fills up while a run writes its checkpoints, on a real small disk (a tmpfs of its own mount namespace, so
// that nothing stays mounted). Skipped, saying why, where none can be mounted.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { mounting, quoted } from "./small_disk.ts";
import { inRunFolder, metricsOf, mustRun, namesIn, trainArgs } from "./small_run.ts";

Deno.test("A full disk ends training with exit code 2; the checkpoint before loads and the run goes on from it", () =>
  inRunFolder(async (folder) => {
    const [disk, saved] = [join(folder, "disk"), join(folder, "saved")];
    const out = join(disk, "run");
    await Deno.mkdir(disk);
    const mount = `mount -t tmpfs -o size=700k tmpfs '${disk}'`;
    const probe = await mounting(mount);
    if (!probe.success) {
      console.log(`Skipped: no small disk can be mounted here: ${probe.stderr.trim()}`);
      return;
    }
    // A checkpoint takes 170 kB: the disk holds three or four, twelve are asked for.
    const values = { "run.checkpointEvery": 1, "run.keepCheckpoints": 20 };
    const train = quoted([...trainArgs(folder, values), "--out", out]);
    const evaluate = quoted(["eval", out]);
    const { success, stdout, stderr } = await mounting(
      `${mount} && { ${train}; echo "code $?"; ${evaluate}; echo "code $?"; cp -r '${out}' '${saved}'; }`,
    );
    assert(success, stderr);
    assertMatch(stdout, /^code 2\nstep:[2-5] val_loss:[\d.]+ .*\ncode 0\n$/);
    const newest = Number(/^step:(\d)/m.exec(stdout)?.[1]);
    assertMatch(
      stderr,
      new RegExp(
        `^Cannot write the checkpoint .*step-00000${
          newest + 1
        }: No space left on device .*; it needs \\d+ bytes ` +
          `\\(0\\.2 MB\\) of free disk; the one before it, .*step-00000${newest}, is untouched; make room, then go on ` +
          `with --resume auto$`,
        "m",
      ),
    );
    assertEquals(namesIn(join(saved, "checkpoints")).length, newest);
    assert(
      namesIn(join(saved, "checkpoints")).every((name) => /^step-\d+$/.test(name)),
      "nothing is half-written",
    );
    // With room again, the run goes on where it was.
    const { stderr: resumed } = await mustRun(["train", "--resume", saved, "--set", "run.keepCheckpoints=2"]);
    assertMatch(resumed, new RegExp(`^going on after step ${newest}$`, "m"));
    assertEquals(metricsOf(saved).map(({ step }) => step), Array.from({ length: 12 }, (_, i) => i + 1));
  }));
