// What this machine has: memory now available. Imports nothing.

/** Bytes of memory that a new allocation may use without swapping, from /proc/meminfo; Infinity where unknown. */
export function availableBytes(): number {
  try {
    const line = /^MemAvailable:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"));
    return line?.[1] ? Number(line[1]) * 1024 : Infinity;
  } catch {
    return Infinity;
  }
}
