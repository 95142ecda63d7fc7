// HellaSwag's validation questions as their authors publish them: where the file lies, and what makes it good. Neither
// downloads it nor asks its questions.
// Imports lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import type { Source } from "./hub.ts";
import { plainFolder } from "./hub.ts";

/** Where `nanogpt data hellaswag` puts it, from the current folder. */
export const HELLASWAG_FOLDER = "data/hellaswag";
export const HELLASWAG_FILE = "hellaswag_val.jsonl";
const PUBLISHED_AT = "https://raw.githubusercontent.com/rowanz/hellaswag/master/data/";
export const HELLASWAG_QUESTIONS = 10_042;
const ENDINGS = 4;

/** The file at `base`, a plain folder of a mirror, or where it is published. */
export function hellaswagSource(base: string | undefined): Source {
  const origin = plainFolder(base ?? PUBLISHED_AT, "--base-url");
  return { name: HELLASWAG_FILE, url: origin.urlOf(HELLASWAG_FILE) };
}

/** UserError, with the line, where the file does not hold the questions. */
export async function checkHellaswag(path: string): Promise<void> {
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  lines.forEach((line, i) => {
    const fault = faultOf(line);
    if (fault) throw new UserError(`${path} line ${i + 1} is no HellaSwag question: ${fault}`);
  });
  if (lines.length === HELLASWAG_QUESTIONS) return;
  throw new UserError(`${path} holds ${lines.length} questions, expected ${HELLASWAG_QUESTIONS}`);
}

/** What is wrong with a line, if anything: it must have a context, four endings, and which of them is right. */
function faultOf(line: string): string | undefined {
  let question: { ctx?: unknown; endings?: unknown; label?: unknown } | null;
  try {
    question = JSON.parse(line);
  } catch {
    return "expected an object in JSON";
  }
  if (typeof question?.ctx !== "string") return "expected a text in ctx";
  const { endings, label } = question;
  const fits = Array.isArray(endings) && endings.length === ENDINGS &&
    endings.every((text) => typeof text === "string");
  if (!fits) return `expected ${ENDINGS} texts in endings`;
  const isLabel = typeof label === "number" && Number.isInteger(label) && label >= 0 && label < ENDINGS;
  return isLabel ? undefined : `expected a whole number from 0 to ${ENDINGS - 1} in label`;
}
