// HellaSwag's questions out of a .jsonl file as published: a context, four ways on, the number of the right one; here as
// GPT-2's tokens. Fields beyond these are let pass unread. Refuses a line that is no whole question, with its place,
// and a file without any. Scores nothing: lib/run/hellaswag.ts does. Imports lib/base and this folder.

import { UserError } from "../lib/base/errors.ts";
import { decodeBlock, openText, parseObject, readBlocks } from "./text_files.ts";
import { encode } from "./tokenizer.ts";

const ENDINGS = 4;

/** One question as its line says it: which of the four endings is right, from 0. */
interface QuestionText {
  readonly context: string;
  readonly endings: readonly string[];
  readonly label: number;
}

/** One question in GPT-2's tokens. */
export interface Question {
  /** File and line, for messages. */
  readonly place: string;
  readonly context: readonly number[];
  /** Four; each begins with the space that stands between it and the context. */
  readonly endings: readonly (readonly number[])[];
  /** Which ending is right, from 0. */
  readonly label: number;
}

/** The questions of a file, at most the first `limit`. UserError for what is no question, and for a file without any. */
export async function readQuestions(path: string, limit = Infinity): Promise<Question[]> {
  using file = await openText(path);
  const questions: Question[] = [];
  for await (const whole of readBlocks(file, path, () => 0)) { // uncut: one block, megabytes at most
    for (const [i, line] of decodeBlock(whole, path).split("\n").entries()) {
      if (line.trim() !== "" && questions.length < limit) {
        questions.push(encodeQuestion(line, `${path} line ${i + 1}`));
      }
    }
  }
  if (questions.length > 0) return questions;
  throw new UserError(`${path} holds no question; expected HellaSwag's .jsonl, one object a line`);
}

function encodeQuestion(line: string, place: string): Question {
  const { context, endings, label } = parseQuestion(line, place);
  return { place, context: encode(context), endings: endings.map((text) => encode(` ${text}`)), label };
}

/** The fields of one line that count; UserError, naming `place`, for one that is no whole question. */
export function parseQuestion(line: string, place: string): QuestionText {
  const value = parseObject(line, place, 'the fields "ctx", "endings" and "label"');
  const wrong = (field: string, expected: string) => {
    const found: unknown = Reflect.get(value, field);
    const what = found === undefined ? "it has none" : `found ${JSON.stringify(found)}`;
    return new UserError(`${place} must have a field "${field}" that is ${expected}; ${what}`);
  };
  const context: unknown = Reflect.get(value, "ctx");
  if (!isText(context)) throw wrong("ctx", "a string");
  const endings: unknown = Reflect.get(value, "endings");
  if (!Array.isArray(endings) || endings.length !== ENDINGS || !endings.every(isText)) {
    throw wrong("endings", `an array of ${ENDINGS} strings`);
  }
  const label: unknown = Reflect.get(value, "label");
  if (typeof label !== "number" || !Number.isInteger(label) || label < 0 || label >= ENDINGS) {
    throw wrong("label", `a whole number from 0 to ${ENDINGS - 1}`);
  }
  return { context, endings, label };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
