// The folder of a run, from the pattern in run.out with its {preset} and {date}. Creates nothing and does not look at
// the disk: lib/run/folder.ts does. Takes the date as given, in UTC, so that it gives the same name everywhere.
// Leaves unknown braces as they are. Imports nothing.

/** `out` with {preset} filled in, and {date} as UTC year to second: 20241119-081523. */
export function expandOut(out: string, preset: string, date: Date): string {
  const stamp = date.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  return out.replaceAll("{preset}", preset).replaceAll("{date}", stamp);
}
