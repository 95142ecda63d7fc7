// Types of the part of @std/text that this project uses; the npm copy ships none. A name missing here is a compile
// error where it is imported: add it here, with the signature of the documentation. Declarations only, nothing of the
// project's own. Imports nothing.

/** How many characters must be inserted, deleted or replaced to turn one word into the other. */
export function levenshteinDistance(a: string, b: string): number;
