// Text from outside (names of files, what a model wrote) made safe for a terminal: nothing in it can move the cursor,
// change colours or turn the direction of writing around. Replaces such characters and nothing else; what is stored in
// files stays as it is. Importable by all; imports nothing.

/** Control characters but line feed and tab, and those that set the direction of writing, show as a middle dot. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]|\p{Bidi_Control}/gu, "\u00b7");
}

/** As printable(), on one line: line feeds, tabs and line separators show as a middle dot too. */
export function printableLine(text: string): string {
  return printable(text).replaceAll(/[\n\t\u2028\u2029]/g, "\u00b7");
}
