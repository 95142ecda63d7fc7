// Memory available: Linux's figure, or what a container's limit leaves, from files as both versions of cgroups write them.

import { assert, assertEquals } from "@std/assert";
import { availableBytes } from "../../lib/run/machine.ts";

const SYSTEM = { "/proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:    5000 kB\n" };
const V2 = "/sys/fs/cgroup/";
const V1 = "/sys/fs/cgroup/memory/";

function available(files: Readonly<Record<string, string>>): number {
  return availableBytes((path) => {
    const text = new Map(Object.entries(files)).get(path);
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  });
}

Deno.test("without a container it is the system's figure, without Linux no limit", () => {
  assertEquals(available(SYSTEM), 5000 * 1024);
  assertEquals(available({}), Infinity);
  assert(availableBytes() > 0);
});

Deno.test("a cgroup's limit counts, less what is used but for the file cache", () => {
  const v2 = {
    ...SYSTEM,
    [`${V2}memory.max`]: "1000000\n",
    [`${V2}memory.current`]: "700000\n",
    [`${V2}memory.stat`]: "anon 400000\ninactive_file 200000\nactive_file 100000\n",
  };
  assertEquals(available(v2), 600000);
  const { [`${V2}memory.stat`]: _, ...withoutStat } = v2;
  assertEquals(available(withoutStat), 300000);
  const v1 = {
    ...SYSTEM,
    [`${V1}memory.limit_in_bytes`]: "1000000\n",
    [`${V1}memory.usage_in_bytes`]: "700000\n",
    [`${V1}memory.stat`]: "inactive_file 1\ntotal_inactive_file 50000\ntotal_active_file 50000\n",
  };
  assertEquals(available(v1), 400000);
});

Deno.test("no limit, one above the system's figure, and one that is overdrawn", () => {
  const group = (max: string, used: number) => ({
    ...SYSTEM,
    [`${V2}memory.max`]: `${max}\n`,
    [`${V2}memory.current`]: `${used}\n`,
  });
  assertEquals(available(group("max", 700000)), 5000 * 1024);
  assertEquals(available(group("9007199254740000", 700000)), 5000 * 1024);
  assertEquals(available(group("1000", 2000)), 0);
});
