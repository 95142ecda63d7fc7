// nanogpt report as a user drives it: one small file for a run of 2,000 steps, the figure, errors that say what to do; and
// the live page's options.

import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { makeRun } from "../view/made_run.ts";
import { nanogpt } from "./command.ts";
import { mustRun, namesIn } from "./small_run.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt report " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("nanogpt report: one file, under 1 MB for a run of 2,000 steps, and nothing left beside it", () =>
  inFolder(async (folder) => {
    makeRun(join(folder, "run"), { records: 2000 });
    const { stdout } = await mustRun(["report", "run"], { cwd: folder });
    assertEquals(stdout, "report.html\n");
    const html = Deno.readTextFileSync(join(folder, "report.html"));
    assertLess(html.length, 1_000_000);
    assert(html.startsWith("<!doctype html>") && html.endsWith("</html>\n"));
    await mustRun(["report", "run", "run", "--svg", "-o", "figure.svg"], { cwd: folder });
    assertStringIncludes(Deno.readTextFileSync(join(folder, "figure.svg")), "run (2): training loss");
    assertEquals(namesIn(folder), ["figure.svg", "report.html", "run"]);
  }));

Deno.test("nanogpt report and train --serve say what is wrong with what they are given", () =>
  inFolder(async (folder) => {
    makeRun(join(folder, "run"), { records: 2 });
    await Deno.mkdir(join(folder, "empty"));
    const cases: [string[], number, string][] = [
      [["report", "nowhere"], 1, "Cannot read a run at nowhere: there is nothing"],
      [["report", "empty"], 1, "empty holds no run"],
      [["report"], 1, "Missing required argument 'runs'"],
      [["report", "run", "-o", "no/such/report.html"], 2, "Cannot write no/such/report.html: "],
      [["report", "run", "-o", "empty"], 2, "Cannot write empty: "],
      [
        ["train", "--host", "0.0.0.0"],
        1,
        "Cannot use --host 0.0.0.0: it is for the page of the run, give --serve",
      ],
      [["train", "--serve", "my.json"], 1, "Expected a port from 0 to 65535"],
      [["train", "--serve", "65536"], 1, "Expected a port from 0 to 65535"],
      [["train", "--serve", "0", "--host", "192.0.2.1"], 1, "Cannot serve the page on 192.0.2.1 port 0: "],
    ];
    await Promise.all(cases.map(async ([args, code, text]) => {
      const { stderr, ...finished } = await nanogpt(args, { cwd: folder });
      assertStringIncludes(stderr, text);
      assertEquals(finished.code, code, stderr);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    }));
    assertEquals(namesIn(folder).filter((name) => name !== "runs"), ["empty", "run"], "no half-written file");
    assertEquals(namesIn(join(folder, "empty")), []);
  }));
