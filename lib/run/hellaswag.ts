// Questions with given answers, answered by likelihood: each context with each ending is a document, many documents are
// packed into one sequence, the document mask keeps them apart, and the forward-only program's losses of the endings'
// tokens decide. Refuses documents longer than the sequence and models of another tokenizer. Reads no file. May import
// lib/base, lib/run, model types and data/.

import type { Question } from "../../data/hellaswag.ts";
import type { Microbatch } from "../../data/loader.ts";
import { EOS, TOKENIZER_VOCAB } from "../../data/tokenizer.ts";
import { RunError, UserError } from "../base/errors.ts";
import type { ModelConfig } from "../model/parameters.ts";
import type { Executor } from "./executor.ts";
import { tokenLosses } from "./validate.ts";

/** A longer sequence costs memory and gains nothing: some forty documents fill this one. */
const MOST_ROWS = 4096;

/** Rows of a packed sequence, for a model trained on sequences of `sequenceLength` tokens. */
export function packedRows(sequenceLength: number): number {
  return Math.min(sequenceLength, MOST_ROWS);
}

/** Where the tokens of one ending are scored: rows `first` to `first + count` of a sequence. */
export interface PlacedEnding {
  readonly question: number;
  readonly ending: number;
  readonly first: number;
  readonly count: number;
}

/** One sequence of documents. */
export interface Pack extends Microbatch {
  readonly endings: readonly PlacedEnding[];
  /** Rows that documents take; behind them, every row is an eos whose loss nobody reads. */
  readonly used: number;
}

/** How well a model answers. */
export interface Score {
  readonly questions: number;
  /** Tokens evaluated, those of contexts too. */
  readonly tokens: number;
  /** Share of questions whose right ending has the least mean loss a token; of equal ones the first counts. */
  readonly accuracy: number;
  /** sqrt(p (1 - p) / n): the standard deviation of a share p of n independent questions. */
  readonly standardError: number;
  /** The same by the sum of the losses, which favours short endings. */
  readonly unnormalisedAccuracy: number;
  readonly unnormalisedStandardError: number;
}

/** Refuses a model to which GPT-2's tokens mean something else. */
export function requireGpt2Tokens({ vocab, eos }: Pick<ModelConfig, "vocab" | "eos">): void {
  if (vocab >= TOKENIZER_VOCAB && eos === EOS) return;
  throw new UserError(
    `The questions are GPT-2's tokens: they need a model with model.vocab from ${TOKENIZER_VOCAB} and model.eos ` +
      `${EOS}; this one has ${vocab} and ${eos}`,
  );
}

/** Refuses the first question that does not fit into a sequence of `rows` tokens, which a model has never seen. */
export function requireFit(questions: readonly Question[], rows: number): void {
  for (const { place, context, endings } of questions) {
    const longest = context.length + Math.max(...endings.map((ending) => ending.length));
    if (longest <= rows) continue;
    throw new UserError(
      `${place} is too long: context and longest ending take ${longest} tokens, a sequence of this model holds ${rows}; ` +
        "leave the question out, or train with a larger data.sequenceLength",
    );
  }
}

/**
 * All documents in order, each into the sequence at hand or, where that has no room left, a new one. A document is eos,
 * context, ending; its last token predicts nothing here and takes no row, so that no target belongs to the next
 * document. Rotary positions count from the start of the sequence; attention sees their differences alone.
 */
export function* packQuestions(questions: readonly Question[], rows: number): Generator<Pack, void, void> {
  let pack = emptyPack(rows);
  for (const [question, { context, endings }] of questions.entries()) {
    for (const [index, ending] of endings.entries()) {
      const document = [EOS, ...context, ...ending];
      const count = document.length - 1;
      if (pack.used + count > rows) {
        yield pack;
        pack = emptyPack(rows);
      }
      pack.tokens.set(document.slice(0, -1), pack.used);
      pack.targets.set(document.slice(1), pack.used);
      pack.endings.push({
        question,
        ending: index,
        first: pack.used + context.length,
        count: ending.length,
      });
      pack.used += count;
    }
  }
  yield pack;
}

function emptyPack(rows: number) {
  const endings: PlacedEnding[] = [];
  return {
    tokens: new Int32Array(rows).fill(EOS),
    targets: new Int32Array(rows).fill(EOS),
    endings,
    used: 0,
  };
}

/**
 * Answers the questions by an executor whose program `evaluate` takes one sequence of `rows` tokens. RunError for a
 * loss that is not finite. `progress` is told the share done, 0 to 1.
 */
export function scoreQuestions(
  executor: Executor,
  questions: readonly Question[],
  rows: number,
  progress: (share: number) => void = () => {},
): Score {
  const sums = questions.map(({ endings }) => new Float64Array(endings.length));
  let tokens = 0, done = 0;
  const documents = sums.reduce((sum, { length }) => sum + length, 0);
  for (const pack of packQuestions(questions, rows)) {
    const losses = tokenLosses(executor, pack);
    for (const { question, ending, first, count } of pack.endings) {
      const sum = losses.subarray(first, first + count).reduce((a, b) => a + b, 0);
      if (!Number.isFinite(sum)) {
        throw new RunError(
          `A loss of the question at ${questions[question]?.place} is not finite; use an earlier checkpoint`,
        );
      }
      sums[question]?.set([sum], ending);
    }
    tokens += pack.used;
    done += pack.endings.length;
    progress(done / documents);
  }
  const right = share(questions, (q, e) => (sums[q]?.[e] ?? NaN) / (questions[q]?.endings[e]?.length ?? NaN));
  const rightBySum = share(questions, (q, e) => sums[q]?.[e] ?? NaN);
  return {
    questions: questions.length,
    tokens,
    accuracy: right,
    standardError: Math.sqrt(right * (1 - right) / questions.length),
    unnormalisedAccuracy: rightBySum,
    unnormalisedStandardError: Math.sqrt(rightBySum * (1 - rightBySum) / questions.length),
  };
}

/** The share of questions whose right ending has the least `cost`. */
function share(questions: readonly Question[], cost: (question: number, ending: number) => number): number {
  const right = questions.filter(({ endings, label }, question) => {
    const costs = endings.map((_, ending) => cost(question, ending));
    return costs.indexOf(Math.min(...costs)) === label;
  });
  return right.length / questions.length;
}
