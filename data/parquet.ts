// One column of text out of a Parquet file, row group by row group, so that of a file of any size one group is in memory
// at a time. The format is read by the package hyparquet. Gives bytes as they are stored: whether they are UTF-8 is seen
// where they are decoded. Refuses columns that are no plain text, and damaged files. Imports only lib/base.

import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { messageOf, UserError } from "../lib/base/errors.ts";

/** The cells of some rows in a row. */
export interface ColumnPart {
  /** Number of its first row, from 1. */
  readonly firstRow: number;
  readonly cells: readonly Uint8Array[];
  /** Rows of the whole file. */
  readonly rows: number;
}

/** The cells of the column `field`, a row group at a time; UserError for whatever is wrong with the file. */
export async function* readColumn(path: string, field: string): AsyncGenerator<ColumnPart, void, void> {
  const damaged = (error: unknown) =>
    new UserError(`Cannot read the Parquet file ${path}: ${messageOf(error)}; fetch or make the file again`);
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((error) => {
    throw damaged(error);
  });
  checkColumn(path, field, metadata);
  const scan = await parquetScan({
    file,
    metadata,
    columns: [field],
    compressors,
    parsers: { stringFromBytes: (bytes) => bytes, jsonFromBytes: (bytes) => bytes },
    utf8: false,
  });
  for (const { rowStart, rowEnd } of scan.ranges) {
    const values: ArrayLike<unknown> = await scan.readColumn({ column: field, rowStart, rowEnd })
      .catch((error) => {
        throw damaged(error);
      });
    const found = values.length;
    if (found !== rowEnd - rowStart) {
      throw damaged(`its rows from ${rowStart + 1} on end after ${found}, expected ${rowEnd - rowStart}`);
    }
    const cells = Array.from(values, (value, i) => cellOf(value, `${path} row ${rowStart + i + 1}`, field));
    yield { firstRow: rowStart + 1, cells, rows: Number(metadata.num_rows) };
  }
}

function cellOf(value: unknown, place: string, field: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const found = value === null || value === undefined ? "it is null" : `it is of type ${typeof value}`;
  throw new UserError(`${place} must have text in the column "${field}"; ${found}`);
}

/** UserError unless `field` is a column of text. */
function checkColumn(path: string, field: string, metadata: FileMetaData): void {
  const columns = parquetSchema(metadata).children;
  const column = columns.find(({ element }) => element.name === field);
  if (column === undefined) {
    const names = columns.map(({ element }) => element.name).join(", ");
    throw new UserError(`${path} has no column "${field}"; it has ${names}: choose one with --field`);
  }
  const { type, repetition_type: repetition } = column.element;
  if (type === "BYTE_ARRAY" && repetition !== "REPEATED") return;
  const found = type === undefined ? "is a group of columns" : `holds ${repetition} values of type ${type}`;
  throw new UserError(`The column "${field}" of ${path} ${found}, expected text (BYTE_ARRAY)`);
}
