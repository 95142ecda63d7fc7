// What Linux tells of this machine: cores, memory, limits, huge pages, NVIDIA driver. Every figure comes through a System,
// so that tests can pose as other machines; what cannot be read is null, never a guess and never an error. Measures nothing
// and judges nothing: doctor.ts does. May import lib/base, its neighbour machine.ts and ffi/.

import { findLibrary, type LibraryFound, type LibraryQuery } from "../../ffi/libraries.ts";
import { availableBytes } from "./machine.ts";

/** Where facts come from. */
export interface System {
  /** Text of a small file; throws where it cannot be read. */
  readonly read: (path: string) => string;
  /** Names in a folder; throws where it cannot be read. */
  readonly list: (path: string) => readonly string[];
  readonly library: (query: LibraryQuery) => LibraryFound;
}

/** This machine. */
export const THIS_SYSTEM: System = {
  read: Deno.readTextFileSync,
  list: (path) => [...Deno.readDirSync(path)].map(({ name }) => name).toSorted(),
  library: findLibrary,
};

/** What is known of a machine; null where it does not tell. Memory in bytes. */
export interface SystemFacts {
  readonly processor: string | null;
  readonly cores: {
    /** Cores of the machine. */
    readonly machine: number | null;
    /** Of them, those that this process may run on, such as "0-3,8". */
    readonly allowed: string | null;
    /** Cores' worth of time that the cgroup grants; null where it sets no limit. */
    readonly cgroup: number | null;
  };
  readonly memory: {
    readonly total: number | null;
    readonly available: number | null;
    /** The cgroup's limit; null where it sets none. */
    readonly cgroup: number | null;
    /** What a new allocation may take: the least of these; null where nothing is known. */
    readonly usable: number | null;
  };
  readonly hugePages: {
    /** The choice for transparent ones: always, madvise or never. */
    readonly transparent: string | null;
    readonly reserved: number | null;
  };
  /** Files that this process may hold open. */
  readonly openFiles: number | null;
  readonly nvidia: {
    /** Version of the kernel's driver. */
    readonly driver: string | null;
    /** Device nodes, such as /dev/nvidia0. */
    readonly devices: readonly string[];
    readonly libraries: readonly NvidiaLibrary[];
  };
}

/** One of NVIDIA's libraries; its version as people write it, such as "12.4". */
export interface NvidiaLibrary {
  readonly what: string;
  readonly name: string | null;
  readonly version: string | null;
  /** Why there is none; null where there is. */
  readonly why: string | null;
}

/** Numbers such as 12040 (CUDA: 1000 major + 10 minor) or 22304 (NCCL: 10000 major + 100 minor + patch). */
const NVIDIA_LIBRARIES: readonly (LibraryQuery & { what: string; text: (version: number) => string })[] = [
  { what: "driver", names: ["libcuda.so.1"], version: "cuDriverGetVersion", text: cudaVersion },
  {
    what: "CUDA runtime",
    names: ["libcudart.so.13", "libcudart.so.12", "libcudart.so"],
    version: "cudaRuntimeGetVersion",
    text: cudaVersion,
  },
  {
    what: "NCCL",
    names: ["libnccl.so.2", "libnccl.so"],
    version: "ncclGetVersion",
    text: (n) => `${Math.floor(n / 10000)}.${Math.floor(n / 100) % 100}.${n % 100}`,
  },
];

function cudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor(version / 10) % 100}`;
}

/** Gathers the facts. */
export function systemFacts(system: System): SystemFacts {
  const text = (path: string) => orElse(() => system.read(path), "");
  const match = (path: string, pattern: RegExp) => pattern.exec(text(path))?.[1] ?? null;
  const memory = text("/proc/meminfo");
  const kilobytes = (name: string) => numberIn(memory, new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"), 1024);
  const usable = availableBytes(system.read);
  return {
    processor: match("/proc/cpuinfo", /^model name\s*:\s*(.*)$/m),
    cores: {
      machine: text("/proc/cpuinfo").match(/^processor\s*:/gm)?.length ?? null,
      allowed: match("/proc/self/status", /^Cpus_allowed_list:\s*(\S+)$/m),
      cgroup: cgroupCores(text),
    },
    memory: {
      total: kilobytes("MemTotal"),
      available: kilobytes("MemAvailable"),
      cgroup: cgroupMemory(text),
      usable: Number.isFinite(usable) ? usable : null,
    },
    hugePages: {
      transparent: match("/sys/kernel/mm/transparent_hugepage/enabled", /\[(\w+)\]/),
      reserved: numberIn(memory, /^HugePages_Total:\s*(\d+)$/m),
    },
    openFiles: numberIn(text("/proc/self/limits"), /^Max open files\s+(\d+)/m),
    nvidia: nvidiaFacts(system, text),
  };
}

/** The quota of both versions of cgroups: microseconds of processor time in a period. */
function cgroupCores(text: (path: string) => string): number | null {
  const v2 = /^(\d+) (\d+)$/m.exec(text("/sys/fs/cgroup/cpu.max")); // "max 100000": no limit
  if (v2) return Number(v2[1]) / Number(v2[2]);
  const quota = numberIn(text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), /^(\d+)$/m); // -1: no limit
  const period = numberIn(text("/sys/fs/cgroup/cpu/cpu.cfs_period_us"), /^(\d+)$/m);
  return quota === null || period === null ? null : quota / period;
}

/** Version 1 writes a huge number for no limit: the largest multiple of a page, 2^63 less at most 64 KiB. */
function cgroupMemory(text: (path: string) => string): number | null {
  const limit = numberIn(text("/sys/fs/cgroup/memory.max"), /^(\d+)$/m) ??
    numberIn(text("/sys/fs/cgroup/memory/memory.limit_in_bytes"), /^(\d+)$/m);
  return limit !== null && limit < 2 ** 62 ? limit : null;
}

function nvidiaFacts(system: System, text: (path: string) => string): SystemFacts["nvidia"] {
  const version = /^NVRM version:.*?\s(\d+\.[\d.]+)\s/m.exec(text("/proc/driver/nvidia/version"));
  return {
    driver: version?.[1] ?? null,
    devices: orElse(() => system.list("/dev"), []).filter((name) => /^nvidia\d+$/.test(name))
      .map((name) => `/dev/${name}`),
    libraries: NVIDIA_LIBRARIES.map((library) => {
      const found = system.library(library);
      if ("why" in found) return { what: library.what, name: null, version: null, why: found.why };
      const stated = found.version === null ? null : library.text(found.version);
      return { what: library.what, name: found.name, version: stated, why: null };
    }),
  };
}

function numberIn(text: string, pattern: RegExp, unit = 1): number | null {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? null : Number(found) * unit;
}

function orElse<T>(get: () => T, otherwise: T): T {
  try {
    return get();
  } catch {
    return otherwise;
  }
}
