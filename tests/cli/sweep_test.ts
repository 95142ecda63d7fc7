// nanogpt sweep on the small model: table and summary, going on after Ctrl-C bit for bit, runs that fall behind or diverge,
// what is not repeated, what is refused.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inRunFolder, metricsOf, mustRun, namesIn, run, sets, Started, trainArgs } from "./small_run.ts";

/** `sweep` of the small model on the shards in `folder`. */
function sweepArgs(folder: string, name: string, more: readonly string[], values = {}): string[] {
  return ["sweep", ...trainArgs(folder, values).slice(1), "--out", join(folder, name), ...more];
}

/** sweep.json as it was written. */
function summaryOf(folder: string): {
  over: unknown;
  runs: { name: string; status: string; step: number; valLoss: number | null }[];
  combinations: { values: Record<string, string>; final: { n: number; mean: number } }[];
} {
  return JSON.parse(Deno.readTextFileSync(join(folder, "sweep.json")));
}

Deno.test("A sweep trains every combination, ranks them, and repeats nothing that is done", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "sweep");
    const over = ["--over", "optim.muonLr=0.001,0.04", "--seeds", "2"];
    const args = sweepArgs(folder, "sweep", over, { "schedule.steps": 6 });
    const { stdout, stderr } = await mustRun(args);
    const names = [
      "muonLr=0.001,seed=1337",
      "muonLr=0.001,seed=1338",
      "muonLr=0.04,seed=1337",
      "muonLr=0.04,seed=1338",
    ];
    assertEquals(namesIn(out), [...names, "report.html", "sweep.json"]);
    names.forEach((name, i) => assertStringIncludes(stderr, `[${i + 1}/4] ${name}: done\n`));
    const report = Deno.readTextFileSync(join(out, "report.html"));
    names.forEach((name) => assertStringIncludes(report, `"name":"${name}"`));
    const { over: axes, runs, combinations } = summaryOf(out);
    assertEquals(axes, { "optim.muonLr": ["0.001", "0.04"] });
    assertEquals(
      runs.map(({ name, status, step }) => [name, status, step]),
      names.map((name) => [name, "done", 6]),
    );
    for (const { name, valLoss } of runs) {
      assertEquals(metricsOf(join(out, name)).at(-1)?.valLoss, valLoss);
      const config = JSON.parse(Deno.readTextFileSync(join(out, name, "config.json")));
      assertEquals(`muonLr=${config.optim.muonLr},seed=${config.run.seed}`, name);
    }
    const [best, worst] = combinations;
    assertEquals([best?.final.n, worst?.final.n], [2, 2]);
    assert(best !== undefined && worst !== undefined && best.final.mean < worst.final.mean);
    const lines = stdout.split("\n");
    assertEquals(lines[0], "muonLr    runs  val loss      sd");
    assertMatch(
      lines[1] ?? "",
      new RegExp(`^${best.values["optim.muonLr"]} +2 of 2 +${best.final.mean.toFixed(4)} `),
    );
    assertEquals(lines[3], `Done: 4 runs in ${out}`);

    const before = Deno.readTextFileSync(join(out, "sweep.json"));
    const again = await mustRun(args);
    assertEquals(again.stdout, stdout);
    assertEquals(again.stderr, names.map((name, i) => `[${i + 1}/4] ${name}: done already\n`).join(""));
    assertEquals(Deno.readTextFileSync(join(out, "sweep.json")), before);

    const other = await run([...args, "--set", "model.dim=32"]);
    assertEquals([other.code, other.stdout], [1, ""]);
    assertMatch(other.stderr, /^Cannot go on with the run in .*seed=1337: model\.dim is 16 there, 32 here; /);
  }));

Deno.test("Ctrl-C ends a sweep with a checkpoint; the same command goes on as if nothing had been", () =>
  inRunFolder(async (folder) => {
    // Long enough that the signal reaches the first run before its end.
    const values = { "schedule.steps": 120, "run.valEvery": 0, "data.batchSequences": 8 };
    const over = ["--over", "optim.muonLr=0.02,0.04"];
    const args = sweepArgs(folder, "stopped", over, values);
    const started = new Started(args);
    await started.shown("step:2/120 ");
    started.signal("SIGINT");
    const { code, stdout } = await started.end();
    assertEquals(code, 130);
    assertStringIncludes(
      stdout,
      `Interrupted; the same command goes on where it stopped, in ${join(folder, "stopped")}\n`,
    );
    const stopped = summaryOf(join(folder, "stopped")).runs;
    assertEquals(stopped.map(({ status }) => status), ["interrupted", "to do"]);
    assert(stopped[0] !== undefined && stopped[0].step < 120);
    const [resumed] = await Promise.all([mustRun(args), mustRun(sweepArgs(folder, "whole", over, values))]);
    assertStringIncludes(resumed.stderr, `going on after step ${stopped[0].step}\n`);
    const losses = (name: string) =>
      summaryOf(join(folder, name)).runs.map(({ status, valLoss }) => [status, valLoss]);
    assertEquals(losses("stopped"), losses("whole"));
  }));

Deno.test("A run far behind is stopped, one that diverges is passed over, and neither is repeated", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "sweep");
    // Without learning the loss stays; an epsilon that float32 takes for 0 divides 0 by 0 where there is no gradient.
    const still = "optim.headLr=0.008,0";
    const args = sweepArgs(folder, "sweep", [
      "--over",
      still,
      "--over",
      "optim.adamEps=1e-8,1e-300",
      "--stop-behind",
      "0.2",
    ], {
      "schedule.steps": 24,
    });
    const { stdout, stderr } = await mustRun(args);
    const { runs } = summaryOf(out);
    assertEquals(runs.map(({ status }) => status), ["done", "diverged", "behind", "diverged"]);
    assert((runs[2]?.step ?? 0) > 6 && (runs[2]?.step ?? 24) < 24, "after the warm-up, before the end");
    assertEquals(runs.map(({ valLoss }) => typeof valLoss), ["number", "object", "object", "object"]);
    assertMatch(stderr, /met a value that is not finite/);
    assertMatch(stdout, /^0\.008 {3}1e-8 +1 of 1 +\d/m);
    assertMatch(stdout, /^0 +1e-8 +0 of 1 +- +- +1 behind$/m);
    const again = await mustRun(args);
    assertEquals(again.stdout, stdout);
    assertEquals(again.stderr.match(/: (done|diverged|behind) already$/gm)?.length, 4);
  }));

Deno.test("A sweep refuses bad values before it trains anything", () =>
  inRunFolder(async (folder) => {
    const refused: [string[], RegExp][] = [
      [
        ["--over", "optim.muonLr=0.1,fast"],
        /optim\.muonLr \(--set\): found "fast", expected a number from 0 to 1000/,
      ],
      [["--over", "optim.muon=1"], /found the key optim\.muon, which does not exist/],
      [[], /^Required option '--over <key\.path=a,b,c>' not specified; see nanogpt --help\n$/],
      [["--over", "optim.muonLr=1", "--seeds", "0"], /Expected a whole number from 1/],
    ];
    const found = await Promise.all(refused.map(([more]) => run(sweepArgs(folder, "sweep", more))));
    found.forEach(({ code, stdout, stderr }, i) => {
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, refused[i]?.[1] ?? /never/);
    });
    assert(!namesIn(folder).includes("sweep"));
    const damaged = join(folder, "damaged");
    Deno.mkdirSync(damaged);
    Deno.writeTextFileSync(join(damaged, "sweep.json"), "{");
    const { code, stderr } = await run(sweepArgs(folder, "damaged", ["--over", "optim.muonLr=1"]));
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^Cannot read .*sweep\.json: .*; remove it, finished runs are known by their folders\n$/,
    );
  }));

Deno.test("A sweep of a configuration file is named after it", () =>
  inRunFolder(async (folder) => {
    await mustRun([
      "train",
      ...trainArgs(folder).slice(1),
      "--out",
      join(folder, "made"),
      ...sets({ "schedule.steps": 1 }),
    ]);
    const { run: _, ...config } = JSON.parse(Deno.readTextFileSync(join(folder, "made", "config.json")));
    Deno.writeTextFileSync(join(folder, "mine.json"), JSON.stringify(config));
    await mustRun(["sweep", "mine.json", "--over", "optim.muonLr=0.01"], { cwd: folder });
    assertEquals(namesIn(join(folder, "runs", "sweep-mine")), [
      "muonLr=0.01,seed=1337",
      "report.html",
      "sweep.json",
    ]);
  }));
