// Rows of the cache of keys and values, by which a text is gone on with a few tokens at a time: rows stored in a ring, and
// attention of a few queries over what is there. The position of the first of the rows in its text is a tensor, so that one
// plan serves all positions. Forward only. Whether the ring still has what a query sees is for the kernels to check, where
// they can. May import lib/base and the graph's own types and row helpers; no device and no model.

import { bytesOf } from "../../base/dtype.ts";
import { at, formatType, numberAttr } from "../node.ts";
import { expect, inputCode, inputMatrix, matrix, type Rows } from "./row.ts";

export const CACHE_OPS: Rows<"cacheRows" | "attentionCached"> = {
  cacheRows: {
    inputs: ["cache", "x", "position"],
    outputs: ["cache"],
    infer(inputs) {
      const [cache, x] = [at(inputs, 0), at(inputs, 1)];
      const [rows, C] = matrix(cache.shape);
      const [N, width] = matrix(x.shape);
      expect(
        width === C && x.dtype === cache.dtype && N <= rows,
        `expected up to ${rows} rows like those of ${formatType(cache)}, found ${formatType(x)}`,
      );
      return [{ shape: cache.shape, dtype: cache.dtype }];
    },
    gradient: "none",
    flops: () => 0,
    symbol: "nanogpt_cache_rows",
    args(s) {
      const [rows, C] = inputMatrix(s, 0);
      return [inputMatrix(s, 1)[0], rows, C, inputCode(s, 1)];
    },
    bytes(s) {
      const [N, C] = inputMatrix(s, 1);
      return 2 * N * C * bytesOf(at(s.inputs, 1).dtype);
    },
    inPlace: { 0: 0 },
  },
  attentionCached: {
    inputs: ["q", "keys", "values", "start", "position"],
    outputs: ["y"],
    infer(inputs) {
      const [q, keys, values] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
      const [N, C] = matrix(q.shape);
      const [rows, width] = matrix(keys.shape);
      expect(
        width === C && N <= rows && keys.dtype === q.dtype && formatType(values) === formatType(keys),
        `expected keys and values of at least ${N} rows like those of ${formatType(q)}, found ` +
          `${formatType(keys)} and ${formatType(values)}`,
      );
      return [{ shape: q.shape, dtype: q.dtype }];
    },
    gradient: "none",
    flops(s) {
      const [N, C] = inputMatrix(s, 0);
      return 4 * N * inputMatrix(s, 1)[0] * C;
    },
    symbol: "nanogpt_attention_cached",
    args(s) {
      const [N, C] = inputMatrix(s, 0);
      const H = numberAttr(s.attrs, "heads");
      return [N, inputMatrix(s, 1)[0], H, C / H, inputCode(s, 0)];
    },
  },
};
