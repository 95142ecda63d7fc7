// What a shard holds: header, token and document counts, document lengths, its first text, its hash, and whether its
// tokens are GPT-2's. Reads in blocks and keeps only counts. A shard that cannot be opened, its size against its header
// among the reasons, is the same UserError as in training. Imports only this folder.

import { createHash } from "node:crypto";
import { encodeHeader, HEADER_BYTES, openShard, SHARD_MAGIC, SHARD_VERSION } from "./shard.ts";
import { decode, EOS, TOKENIZER_VOCAB } from "./tokenizer.ts";

const BLOCK_TOKENS = 1 << 20;
const FIRST_TEXT_TOKENS = 64;
const QUANTILES = [0, 0.1, 0.5, 0.9, 0.99, 1] as const;

export interface ShardReport {
  path: string;
  bytes: number;
  tokens: number;
  /** Number of eos tokens: each opens a document. */
  documents: number;
  /** Tokens before the first eos: the rest of a document that began in the shard before. */
  leadingTokens: number;
  /** Document lengths in tokens, eos included; empty without documents. The last document may go on elsewhere. */
  lengths: { quantile: number; tokens: number }[];
  meanLength: number;
  highestToken: number;
  /** Tokens that GPT-2's vocabulary does not have. */
  foreignTokens: number;
  firstText: string;
  /** SHA-256 of the whole file in hex. */
  sha256: string;
}

/** Counts of document lengths: there are few distinct lengths, since they add up to the shard's tokens. */
class LengthCounts {
  readonly #counts = new Map<number, number>();
  #documents = 0;

  add(length: number): void {
    this.#counts.set(length, (this.#counts.get(length) ?? 0) + 1);
    this.#documents++;
  }

  /** The lengths at each of `QUANTILES`, by the nearest rank. */
  quantiles(): { quantile: number; tokens: number }[] {
    const sorted = [...this.#counts].sort(([a], [b]) => a - b);
    if (sorted.length === 0) return [];
    return QUANTILES.map((quantile) => {
      const rank = Math.max(1, Math.ceil(quantile * this.#documents));
      let seen = 0;
      const reached = sorted.find(([, count]) => (seen += count) >= rank);
      return { quantile, tokens: reached?.[0] ?? 0 };
    });
  }
}

/** Reads a whole shard and describes it; UserError for a faulty file. */
export async function inspectShard(path: string): Promise<ShardReport> {
  const reader = await openShard(path);
  try {
    const block = new Uint16Array(Math.min(BLOCK_TOKENS, reader.count));
    const lengths = new LengthCounts();
    let [documents, leadingTokens, highestToken, foreignTokens, started] = [0, reader.count, 0, 0, -1];
    let firstText = "";
    const hash = createHash("sha256").update(encodeHeader(reader.count));
    for (let position = 0; position < reader.count; position += block.length) {
      const tokens = block.subarray(0, Math.min(block.length, reader.count - position));
      await reader.read(position, tokens);
      hash.update(tokens);
      if (position === 0) firstText = decode(tokens.subarray(0, FIRST_TEXT_TOKENS));
      for (let i = 0; i < tokens.length; i++) { // by index: iterating a typed array takes ten times as long
        const token = tokens[i] ?? 0;
        if (token > highestToken) highestToken = token;
        if (token >= TOKENIZER_VOCAB) foreignTokens++;
        if (token !== EOS) continue;
        const at = position + i;
        if (started < 0) leadingTokens = at;
        else lengths.add(at - started);
        started = at;
        documents++;
      }
    }
    if (started >= 0) lengths.add(reader.count - started);
    return {
      path,
      bytes: HEADER_BYTES + 2 * reader.count,
      tokens: reader.count,
      documents,
      leadingTokens,
      lengths: lengths.quantiles(),
      meanLength: documents === 0 ? 0 : (reader.count - leadingTokens) / documents,
      highestToken,
      foreignTokens,
      firstText,
      sha256: hash.digest("hex"),
    };
  } finally {
    reader.close();
  }
}

const grouped = (value: number) => value.toLocaleString("en-US");

/** The report as lines for a terminal. */
export function formatReport(report: ShardReport): string {
  const { tokens, documents, leadingTokens, foreignTokens, highestToken } = report;
  const names = ["shortest", "10%", "median", "90%", "99%", "longest"];
  const lengths = report.lengths.map((entry, i) => `${names[i]} ${grouped(entry.tokens)}`).join(", ");
  const lines = [
    ["shard", report.path],
    [
      "header",
      `magic ${SHARD_MAGIC}, version ${SHARD_VERSION}, matches the file's ${grouped(report.bytes)} bytes`,
    ],
    ["tokens", grouped(tokens)],
    [
      "documents",
      grouped(documents) +
      (leadingTokens > 0 ? `, after ${grouped(leadingTokens)} tokens of an earlier one` : ""),
    ],
    [
      "length",
      documents === 0 ? "no document begins here" : `mean ${report.meanLength.toFixed(1)}, ${lengths}`,
    ],
    [
      "vocabulary",
      foreignTokens === 0
        ? `all GPT-2's (highest token ${highestToken})`
        : `${grouped(foreignTokens)} tokens are not GPT-2's: highest ${highestToken}, ` +
          `expected below ${TOKENIZER_VOCAB}`,
    ],
    ["first token", leadingTokens === 0 && documents > 0 ? `eos (${EOS}): a document begins` : "not eos"],
    ["begins", JSON.stringify(report.firstText)],
    ["sha256", report.sha256],
  ];
  return lines.map(([key = "", value = ""]) => `${key.padEnd(12)}${value}`).join("\n");
}
