# Made the .parquet files of this folder, with pyarrow 25.0.1: seven rows in row groups of three, three compressions.
# tests/data/parquet_test.ts states the texts again. Run in this folder: python3 make.py

import pyarrow as pa
import pyarrow.parquet as pq

texts = [
    "The first row",
    "Na\u00efve \u2014 \u201cquoted\u201d \U0001f469\u200d\U0001f467",
    "a <|endoftext|> b\n\nline two",
    "",
    "  \n",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12345",
    "last, the seventh",
]
raw = [b"ok", b"\xff\xfe", None] + [b"x"] * 4
columns = {"id": list(range(7)), "text": pa.array(texts), "raw": pa.array(raw, pa.binary()), "tags": [["a"]] * 7}
for codec in ["snappy", "zstd", "gzip"]:
    pq.write_table(
        pa.table(columns),
        f"texts.{codec}.parquet",
        row_group_size=3,
        compression=codec,
        use_dictionary=codec == "gzip",
        store_schema=False,
        write_statistics=False,
    )
