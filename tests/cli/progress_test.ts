// How durations, the bar and a status line are written.

import { shellWord } from "../../lib/cli/train_view.ts";
import { assertEquals } from "@std/assert";
import { formatBar, formatDuration, StatusLine } from "../../lib/cli/progress.ts";

Deno.test("formatDuration() gives minutes and seconds, and hours where there are any", () => {
  const cases: [number, string][] = [
    [0, "0:00"],
    [0.4, "0:00"],
    [59.6, "1:00"],
    [65, "1:05"],
    [3599.5, "1:00:00"],
    [3723, "1:02:03"],
    [360_000, "100:00:00"],
    [-1, "0:00"],
  ];
  assertEquals(cases.map(([seconds]) => formatDuration(seconds)), cases.map(([, text]) => text));
});

Deno.test("formatBar() fills its width by the share, and never more", () => {
  const shares = [-1, 0, 0.04, 0.05, 0.5, 0.949, 1, 7];
  assertEquals(shares.map((share) => formatBar(share, 10)), [
    "[----------]",
    "[----------]",
    "[----------]",
    "[#---------]",
    "[#####-----]",
    "[#########-]",
    "[##########]",
    "[##########]",
  ]);
});

Deno.test("A status line that is not live draws nothing", () => {
  const status = new StatusLine(false);
  assertEquals(status.live, false);
  status.draw("must not show");
  status.clear();
});

Deno.test("shellWord() quotes what a shell would split or expand", () => {
  assertEquals(shellWord("/runs/a-1.b"), "/runs/a-1.b");
  assertEquals(shellWord("/my runs/a"), "'/my runs/a'");
  assertEquals(shellWord("it's $HOME"), "'it'\\''s $HOME'");
});
