// Numbers as people read them: counts, rates, bytes and durations in round units, and rows as a table with aligned
// columns. Formats only: prints nothing and reads no number back from text. For people; what a program reads is written
// as plain numbers. Importable by all; imports nothing.

/** 12345678 as "12.3M", for rates and counts. */
export function formatCount(value: number): string {
  const [size, prefix] = scaleOf(value);
  return prefix ? `${(value / size).toPrecision(3)}${prefix}` : String(Math.round(value));
}

/** 31500000000 and "B/s" as "31.5 GB/s". */
export function formatQuantity(value: number, unit: string): string {
  const [size, prefix] = scaleOf(value);
  return `${prefix ? (value / size).toPrecision(3) : String(Math.round(value))} ${prefix}${unit}`;
}

function scaleOf(value: number): [number, string] {
  const scales: [number, string][] = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  return scales.find(([size]) => value >= size) ?? [1, ""];
}

/** 2,560,000,000 bytes as "2.38 GiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes, unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${units[unit]}`;
}

/** "1:02:03" or "2:05": hours, minutes, seconds. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = (parts[0] ?? 0) > 0 ? parts : parts.slice(1);
  return shown.map((part, i) => i === 0 ? String(part) : String(part).padStart(2, "0")).join(":");
}

/** "[######----]" of `width` characters between the brackets. */
export function formatBar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}]`;
}

/** Lines of cells in columns, two spaces apart. Columns that `left` names begin at the left, the others end at the right. */
export function formatTable(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from(
    { length: columns },
    (_, c) => Math.max(...rows.map((row) => (row[c] ?? "").length)),
  );
  return rows.map((row) =>
    row.map((cell, c) => left.includes(c) ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0))
      .join("  ").trimEnd()
  );
}

/** What a device works with: "2 threads", or a GPU's "132 processors". */
export function formatWorkers(
  { kind, threads }: { readonly kind: string; readonly threads: number },
): string {
  const noun = kind === "cuda" || kind === "emulated" ? "processor" : "thread";
  return `${threads} ${noun}${threads === 1 ? "" : "s"}`;
}
