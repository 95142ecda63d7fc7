// Facts of a machine, from files as Linux writes them: machines with and without limits, both versions of cgroups, an
// NVIDIA driver, and one that lets nothing be read.

import { assert, assertEquals } from "@std/assert";
import type { LibraryFound } from "../../ffi/libraries.ts";
import { type System, systemFacts, THIS_SYSTEM } from "../../lib/run/system.ts";

type Files = Readonly<Record<string, string>>;

/** A machine of which these files, /dev and libraries are known. */
function posed(files: Files, dev: string[] = [], libraries: Record<string, number | null> = {}): System {
  return {
    read: (path) => {
      const text = new Map(Object.entries(files)).get(path);
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
    list: (path) => {
      if (path !== "/dev") throw new Deno.errors.NotFound(path);
      return dev;
    },
    library: ({ names }): LibraryFound => {
      const name = names.find((name) => Object.hasOwn(libraries, name));
      return name === undefined ? { why: `no ${names[0]}` } : { name, version: libraries[name] ?? null };
    },
  };
}

const PLAIN: Files = {
  "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: avx2\n\n" +
    "processor\t: 1\nmodel name\t: Some CPU @ 2 GHz\n",
  "/proc/meminfo": "MemTotal:        4000 kB\nMemAvailable:    3000 kB\nHugePages_Total:       5\n",
  "/proc/self/status": "Name:\tdeno\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n",
  "/proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units\n" +
    "Max open files            1024                 524288               files\n",
  "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
};

Deno.test("a machine without limits and GPUs", () => {
  assertEquals(systemFacts(posed(PLAIN)), {
    processor: "Some CPU @ 2 GHz",
    cores: { machine: 2, allowed: "0-1", cgroup: null },
    memory: { total: 4096000, available: 3072000, cgroup: null, usable: 3072000 },
    hugePages: { transparent: "madvise", reserved: 5 },
    openFiles: 1024,
    nvidia: {
      driver: null,
      devices: [],
      libraries: [
        { what: "driver", name: null, version: null, why: "no libcuda.so.1" },
        { what: "CUDA runtime", name: null, version: null, why: "no libcudart.so.13" },
        { what: "NCCL", name: null, version: null, why: "no libnccl.so.2" },
      ],
    },
  });
});

Deno.test("a machine that lets nothing be read: unknown, and no error", () => {
  const { nvidia, ...facts } = systemFacts(posed({}));
  assertEquals(facts, {
    processor: null,
    cores: { machine: null, allowed: null, cgroup: null },
    memory: { total: null, available: null, cgroup: null, usable: null },
    hugePages: { transparent: null, reserved: null },
    openFiles: null,
  });
  assertEquals([nvidia.driver, nvidia.devices], [null, []]);
  const denied = () => {
    throw new Deno.errors.PermissionDenied("no");
  };
  const closed = systemFacts({ read: denied, list: denied, library: () => ({ why: "no" }) });
  assertEquals([closed.processor, closed.nvidia.devices], [null, []]);
});

Deno.test("limits of both versions of cgroups, and their words for none", () => {
  const facts = (files: Files) => {
    const { cores, memory } = systemFacts(posed({ ...PLAIN, ...files }));
    return [cores.cgroup, memory.cgroup, memory.usable];
  };
  const [two, one] = ["/sys/fs/cgroup/", "/sys/fs/cgroup/memory/"];
  const cpu = "/sys/fs/cgroup/cpu/cpu.cfs_";
  const limited = {
    [`${two}cpu.max`]: "150000 100000\n",
    [`${two}memory.max`]: "1000000\n",
    [`${two}memory.current`]: "400000\n",
  };
  assertEquals(facts(limited), [1.5, 1000000, 600000]);
  assertEquals(facts({ [`${two}cpu.max`]: "max 100000\n", [`${two}memory.max`]: "max\n" }), [
    null,
    null,
    3072000,
  ]);
  const old = {
    [`${cpu}quota_us`]: "200000\n",
    [`${cpu}period_us`]: "100000\n",
    [`${one}memory.limit_in_bytes`]: "2000000\n",
    [`${one}memory.usage_in_bytes`]: "500000\n",
  };
  assertEquals(facts(old), [2, 2000000, 1500000]);
  const unlimited = {
    [`${cpu}quota_us`]: "-1\n",
    [`${cpu}period_us`]: "100000\n",
    [`${one}memory.limit_in_bytes`]: "9223372036854771712\n",
    [`${one}memory.usage_in_bytes`]: "500000\n",
  };
  assertEquals(facts(unlimited), [null, null, 3072000]);
});

Deno.test("an NVIDIA driver, its devices in order, and its libraries' versions as people write them", () => {
  const lines = [
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U16)",
  ];
  const dev = ["null", "nvidia0", "nvidia1", "nvidia-uvm", "nvidiactl", "nvidia-caps"];
  const libraries = { "libcuda.so.1": 12040, "libcudart.so.12": 12060, "libnccl.so.2": 22304 };
  const [closed, open] = lines.map((line) =>
    systemFacts(
      posed({ "/proc/driver/nvidia/version": `${line}\nGCC version:  gcc 12.2.0\n` }, dev, libraries),
    )
      .nvidia
  );
  assertEquals(closed, {
    driver: "550.54.15",
    devices: ["/dev/nvidia0", "/dev/nvidia1"],
    libraries: [
      { what: "driver", name: "libcuda.so.1", version: "12.4", why: null },
      { what: "CUDA runtime", name: "libcudart.so.12", version: "12.6", why: null },
      { what: "NCCL", name: "libnccl.so.2", version: "2.23.4", why: null },
    ],
  });
  assertEquals(open?.driver, "570.124.06");
  const silent = systemFacts(posed({}, [], { "libcuda.so.1": null })).nvidia.libraries[0];
  assertEquals(silent, { what: "driver", name: "libcuda.so.1", version: null, why: null });
});

Deno.test("this machine tells its cores and memory", () => {
  const { cores, memory } = systemFacts(THIS_SYSTEM);
  assert((cores.machine ?? 0) >= 1 && (memory.usable ?? 0) > 0);
  assertEquals(memory.total, Deno.systemMemoryInfo().total);
});
