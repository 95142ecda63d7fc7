// What this machine has: memory now available to a new allocation, in the container too that this process may be in.
// Linux's own figures; where there are none the answer is "no limit known", so that nothing is refused for want of
// knowing. Reserves nothing and says nothing of the devices, which describe themselves (ffi/). Imports nothing.

/** Reads a small text file; throws where there is none. */
type ReadText = (path: string) => string;

/** A cgroup's files: its limit, what it uses, and of that the file cache, which the system gives back when needed. */
interface Cgroup {
  readonly limit: string;
  readonly used: string;
  readonly stat: string;
  readonly cache: readonly RegExp[];
}

const CGROUPS: readonly Cgroup[] = [
  { // version 2
    limit: "/sys/fs/cgroup/memory.max",
    used: "/sys/fs/cgroup/memory.current",
    stat: "/sys/fs/cgroup/memory.stat",
    cache: [/^active_file (\d+)$/m, /^inactive_file (\d+)$/m],
  },
  { // version 1
    limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    used: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    stat: "/sys/fs/cgroup/memory/memory.stat",
    cache: [/^total_active_file (\d+)$/m, /^total_inactive_file (\d+)$/m],
  },
];

/**
 * Bytes of memory that a new allocation may use without swapping: what /proc/meminfo says is available, or less where a
 * cgroup's limit leaves less. Infinity where unknown.
 */
export function availableBytes(read: ReadText = Deno.readTextFileSync): number {
  const text = textOr(read, "");
  const system = numberIn(text("/proc/meminfo"), /^MemAvailable:\s+(\d+) kB$/m) ?? Infinity;
  return Math.min(system * 1024, ...CGROUPS.map((cgroup) => leftIn(cgroup, text)));
}

function leftIn({ limit, used, stat, cache }: Cgroup, text: ReadText): number {
  const most = numberIn(text(limit), /^(\d+)$/m); // "max": no limit
  const now = numberIn(text(used), /^(\d+)$/m);
  if (most === undefined || now === undefined) return Infinity;
  const lines = text(stat);
  const cached = cache.reduce((sum, line) => sum + (numberIn(lines, line) ?? 0), 0);
  return Math.max(0, most - Math.max(0, now - cached));
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function textOr(read: ReadText, otherwise: string): ReadText {
  return (path) => {
    try {
      return read(path);
    } catch {
      return otherwise;
    }
  };
}
