// What the environment says of the terminal.

import { assertEquals } from "@std/assert";
import { terminalOf } from "../../lib/cli/terminal.ts";

Deno.test("terminalOf() ranks the locale's variables, and knows NO_COLOR and terminals that cannot move the cursor", () => {
  const of = (values: Record<string, string>) => terminalOf((name) => values[name]);
  const all = { unicode: true, color: true, cursor: true };
  assertEquals(of({ LANG: "de_DE.UTF-8", TERM: "xterm" }), all);
  assertEquals(of({ LANG: "de_DE.UTF-8", LC_ALL: "C", TERM: "xterm" }), { ...all, unicode: false });
  assertEquals(of({ LANG: "C", LC_CTYPE: "C.utf8", LC_ALL: "", TERM: "xterm" }), all);
  assertEquals(of({ TERM: "xterm", NO_COLOR: "1" }), { unicode: false, color: false, cursor: true });
  assertEquals(of({ TERM: "xterm", NO_COLOR: "" }).color, true);
  assertEquals(of({ TERM: "dumb" }), { unicode: false, color: false, cursor: false });
  assertEquals(of({}), { unicode: false, color: false, cursor: false });
});
