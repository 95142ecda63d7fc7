// HellaSwag's validation questions as their authors publish them: where the file lies, and what makes it good. Neither
// downloads it nor asks its questions.
// Imports lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import { parseQuestion } from "./hellaswag.ts";
import type { Source } from "./hub.ts";
import { plainFolder } from "./hub.ts";

/** Where `nanogpt data hellaswag` puts it, from the current folder. */
export const HELLASWAG_FOLDER = "data/hellaswag";
export const HELLASWAG_FILE = "hellaswag_val.jsonl";
const PUBLISHED_AT = "https://raw.githubusercontent.com/rowanz/hellaswag/master/data/";
export const HELLASWAG_QUESTIONS = 10_042;

/** The file at `base`, a plain folder of a mirror, or where it is published. */
export function hellaswagSource(base: string | undefined): Source {
  const origin = plainFolder(base ?? PUBLISHED_AT, "--base-url");
  return { name: HELLASWAG_FILE, url: origin.urlOf(HELLASWAG_FILE) };
}

/** UserError, with the line, where the file does not hold the questions. */
export async function checkHellaswag(path: string): Promise<void> {
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  lines.forEach((line, i) => parseQuestion(line, `${path} line ${i + 1}`));
  if (lines.length === HELLASWAG_QUESTIONS) return;
  throw new UserError(`${path} holds ${lines.length} questions, expected ${HELLASWAG_QUESTIONS}`);
}
