// The disk below a folder: a measured speed and nothing left behind, a folder that does not exist yet, one that is
// nearly full, one that cannot be written.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { diskFacts, sameDisk } from "../../lib/run/disk.ts";
import { inFolder } from "../data/helpers.ts";

Deno.test("speed is measured with a file that nobody finds afterwards", () =>
  inFolder((folder) => {
    const wanted = join(folder, "not", "there yet");
    const { freeBytes, speed, ...rest } = diskFacts(wanted, { mostBytes: 1 << 20, leastFreeBytes: 0 });
    assertEquals(rest, { folder, why: null, writable: true });
    assert(freeBytes !== null && freeBytes > 0 && speed !== null);
    assertEquals(speed.bytes, 1 << 20);
    assert(speed.writeBytesPerSecond > 0 && speed.readBytesPerSecond > 0);
    assert(Number.isFinite(speed.writeBytesPerSecond + speed.readBytesPerSecond));
    assertEquals([...Deno.readDirSync(folder)], [], "no file and no folder is left");
    assert(sameDisk(folder, wanted));
    return Promise.resolve();
  }));

Deno.test("a nearly full disk is not written to", () =>
  inFolder((folder) => {
    const facts = diskFacts(folder, { free: () => 999_999_999 });
    assertEquals(facts, {
      folder,
      freeBytes: 999_999_999,
      speed: null,
      why: "not measured: less than 1 GB is free",
      writable: true,
    });
    const unknown = diskFacts(folder, {
      mostBytes: 4096,
      free: () => {
        throw new Error("not supported");
      },
    });
    assertEquals([unknown.freeBytes, unknown.speed?.bytes], [null, 4096], "not knowing forbids nothing");
    return Promise.resolve();
  }));

Deno.test("a folder that cannot be written says why", () => {
  // Nobody, root included, can make files there.
  const { folder, speed, why, writable } = diskFacts("/proc/self");
  assertEquals([folder, speed, writable], ["/proc/self", null, false]);
  assertMatch(why ?? "", /^cannot write there: /);
});
