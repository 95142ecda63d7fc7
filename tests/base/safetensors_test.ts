// The safetensors reader and writer: round trips of every type, bytes against a file written out by hand, every way a
// header can be wrong, and random damage, which must end in a UserError or in the same tensors. Imports lib/base.

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { InternalError, UserError } from "../../lib/base/errors.ts";
import { RandomStream } from "../../lib/base/random.ts";
import {
  encodeHeader,
  openSafetensors,
  type RawTensor,
  storedBytes,
  type StoredTensor,
  writeSafetensors,
} from "../../lib/base/safetensors.ts";

function inFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "safetensors_" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function bytesOf(array: RawTensor): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function tensor(name: string, dtype: StoredTensor["dtype"], shape: number[], data: RawTensor) {
  const bytes = bytesOf(data);
  return {
    name,
    dtype,
    shape,
    data,
    read: (offset: number, target: Uint8Array) => target.set(bytes.subarray(offset, offset + target.length)),
  };
}

/** A file's bytes. */
function file(tensors: ReturnType<typeof tensor>[], metadata?: Record<string, string>): Uint8Array {
  const parts: number[] = [];
  writeSafetensors(tensors, (bytes) => parts.push(...bytes), metadata);
  return Uint8Array.from(parts);
}

/** A file of a header given as text and `dataBytes` zero bytes. */
function handMade(header: string, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const EVERY_TYPE = [
  tensor("doubles", "F64", [2], Float64Array.of(Math.PI, -0)),
  tensor("floats", "F32", [2, 3], Float32Array.of(1, 2, 3, -4, 5.5, NaN)),
  tensor("brain", "BF16", [2], Uint16Array.of(0x3fc0, 0xc000)),
  tensor("longs", "I64", [1], BigInt64Array.of(-7n)),
  tensor("ints", "I32", [1, 1, 1], Int32Array.of(-(2 ** 31))),
  tensor("words", "U32", [], Uint32Array.of(2 ** 32 - 1)),
  tensor("3", "U16", [3], Uint16Array.of(1, 2, 65535)),
  tensor("none", "F32", [4, 0], new Float32Array(0)),
  tensor('größe "q"', "U16", [1], Uint16Array.of(9)),
];

Deno.test("writeSafetensors() and openSafetensors() give every type back, in order, with metadata", () =>
  inFolder((folder) => {
    const path = join(folder, "all.safetensors");
    Deno.writeFileSync(path, file(EVERY_TYPE, { note: "ünïcode\n", step: "12" }));
    using opened = openSafetensors(path);
    assertEquals([...opened.tensors.keys()].toSorted(), EVERY_TYPE.map(({ name }) => name).toSorted());
    assertEquals(opened.metadata, { note: "ünïcode\n", step: "12" });
    for (const { name, dtype, shape, data } of EVERY_TYPE) {
      assertEquals(opened.read(name), data);
      assertEquals({ ...opened.place(name), start: 0 }, {
        name,
        dtype,
        shape,
        start: 0,
        bytes: data.byteLength,
      });
    }
    assertEquals([...Array.from(opened.numbers("brain")), ...Array.from(opened.numbers("longs"))], [
      1.5,
      -2,
      -7,
    ]);
    const part = new Uint8Array(5);
    opened.readInto("floats", 7, part);
    assertEquals(part, bytesOf(Float32Array.of(1, 2, 3, -4)).slice(7, 12));
    assertThrows(() => opened.readInto("floats", 20, part), InternalError);
    assertThrows(() => opened.read("absent"), UserError, "no tensor absent");
  }));

Deno.test("writeSafetensors() writes the format's bytes", () => {
  const header = '{"__metadata__":{"k":"v"},"2":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},' +
    '"1":{"dtype":"U16","shape":[2],"data_offsets":[4,8]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const expected = handMade(padded, 8);
  expected.set([1, 0, 0, 0, 2, 0, 3, 0], expected.length - 8);
  const tensors = [tensor("2", "I32", [1], Int32Array.of(1)), tensor("1", "U16", [2], Uint16Array.of(2, 3))];
  assertEquals(file(tensors, { k: "v" }), expected);
  assertEquals(file(tensors, { k: "v" }), file(tensors, { k: "v" }));
});

Deno.test("writeSafetensors() streams in small parts and asks for every byte once", () => {
  const shape = [3, 1 << 20], size = 4 * 3 << 20;
  let [asked, sent, largest] = [0, 0, 0];
  const read = (offset: number, target: Uint8Array) => {
    assertEquals(offset, asked);
    asked += target.length;
  };
  writeSafetensors([{ name: "large", dtype: "F32", shape, read }], (bytes) => {
    sent += bytes.length;
    largest = Math.max(largest, bytes.length);
  });
  assertEquals([asked, sent], [size, size + encodeHeader([{ name: "large", dtype: "F32", shape }]).length]);
  assert(largest <= 4 << 20, `parts of ${largest} bytes`);
});

Deno.test("encodeHeader() refuses a name twice", () => {
  const one = { name: "a", dtype: "F32", shape: [1] } as const;
  assertThrows(() => encodeHeader([one, one]), InternalError, "twice");
  assertThrows(() => encodeHeader([{ ...one, name: "__metadata__" }]), InternalError);
  assertEquals(storedBytes({ ...one, shape: [] }), 4);
});

Deno.test("openSafetensors() refuses what is no regular file", () =>
  inFolder((folder) => {
    assertThrows(() => openSafetensors(join(folder, "absent")), UserError, "does not exist");
    assertThrows(() => openSafetensors(folder), UserError, "a folder");
    assertThrows(() => openSafetensors("/dev/null"), UserError, "not a regular file");
  }));

const row = (fields: string) => `{"a":{${fields}}}`;
const BAD_HEADERS: Record<string, [string, number, string]> = {
  "no JSON": ['{"a":', 0, "damaged"],
  "a list": ["[1]", 0, "no JSON object"],
  "null": ["null", 0, "no JSON object"],
  "a tensor that is no object": ['{"a":3}', 0, "tensor a is no object"],
  "a row without fields": ['{"a":{}}', 0, "has type undefined"],
  "an unknown type": [row('"dtype":"F8","shape":[1],"data_offsets":[0,1]'), 1, 'has type "F8"'],
  "a type of the prototype": [row('"dtype":"toString","shape":[1],"data_offsets":[0,4]'), 4, "has type"],
  "a negative size": [row('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'), 4, "has shape [-1]"],
  "a fractional size": [row('"dtype":"F32","shape":[1.5],"data_offsets":[0,6]'), 6, "has shape [1.5]"],
  "a text as shape": [row('"dtype":"F32","shape":"1","data_offsets":[0,4]'), 4, 'has shape "1"'],
  "sizes beyond all bounds": [
    row('"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]'),
    4,
    "lies at bytes 0 to 4",
  ],
  "one offset": [row('"dtype":"F32","shape":[1],"data_offsets":[0]'), 4, "data_offsets [0]"],
  "offsets backwards": [row('"dtype":"F32","shape":[1],"data_offsets":[4,0]'), 4, "lies at bytes 4 to 0"],
  "size and offsets that differ": [row('"dtype":"F32","shape":[2],"data_offsets":[0,4]'), 4, "takes 8 bytes"],
  "a hole": [row('"dtype":"F32","shape":[1],"data_offsets":[4,8]'), 8, "starts at byte 4, expected 0"],
  "an overlap": [
    '{"a":{"dtype":"U16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"U16","shape":[1],"data_offsets":[2,4]}}',
    4,
    "starts at byte 2, expected 4",
  ],
  "data cut short": [row('"dtype":"F32","shape":[2],"data_offsets":[0,8]'), 7, "cut short"],
  "bytes behind the data": [row('"dtype":"F32","shape":[2],"data_offsets":[0,8]'), 9, "too long"],
  "metadata that is no object": ['{"__metadata__":"x"}', 0, "metadata is no object"],
  "metadata that is no text": ['{"__metadata__":{"k":1}}', 0, "metadata k is no text"],
};

for (const [what, [header, dataBytes, message]] of Object.entries(BAD_HEADERS)) {
  Deno.test(`openSafetensors() refuses ${what}`, () =>
    inFolder((folder) => {
      const path = join(folder, "bad.safetensors");
      Deno.writeFileSync(path, handMade(header, dataBytes));
      const error = assertThrows(() => openSafetensors(path), UserError, message);
      assertStringIncludes(error.message, path);
    }));
}

Deno.test("openSafetensors() refuses a header length beyond the file, and text that is not UTF-8", () =>
  inFolder((folder) => {
    const path = join(folder, "bad.safetensors");
    const write = (bytes: Uint8Array) => {
      Deno.writeFileSync(path, bytes);
      return assertThrows(() => openSafetensors(path), UserError).message;
    };
    assertStringIncludes(write(new Uint8Array(0)), "it is empty");
    assertStringIncludes(write(new Uint8Array(7)), "only 7 bytes");
    assertStringIncludes(write(new Uint8Array(8).fill(255)), "header of 18446744073709551615 bytes");
    assertStringIncludes(write(Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125)), "the whole file has 10");
    assertStringIncludes(write(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe)), "damaged");
    assertMatch(write(new Uint8Array(64)), /damaged/); // a header of length 0
  }));

Deno.test("openSafetensors() answers random damage with a UserError or with tensors of the stated sizes", () =>
  inFolder((folder) => {
    const path = join(folder, "fuzz.safetensors");
    const good = file(EVERY_TYPE, { note: "x" });
    const random = new RandomStream(20241119, 1);
    let refused = 0;
    for (let round = 0; round < 600; round++) {
      const below = (limit: number, draw: number) => Math.floor(random.unit(4 * round + draw) * limit);
      const bytes = round % 3 === 0 ? good.slice(0, below(good.length, 0)) : good.slice();
      if (round % 3 === 1) {
        const at = below(good.length, 0);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8, 1));
      }
      if (round % 3 === 2) {
        const at = below(good.length, 0);
        bytes.copyWithin(at, below(good.length, 1), below(good.length, 2));
      }
      Deno.writeFileSync(path, bytes);
      try {
        using opened = openSafetensors(path);
        for (const place of opened.tensors.values()) {
          assertEquals(opened.read(place.name).byteLength, storedBytes(place));
        }
      } catch (error) {
        assert(error instanceof UserError, String(error));
        refused++;
      }
    }
    // Every cut must be refused; flips inside the data cannot be.
    assert(refused >= 200, `${refused} of 600 refused`);
  }));

Deno.test("openSafetensors() reads a golden file written by another program", () => {
  using golden = openSafetensors("tests/golden/newton-schulz.safetensors");
  assertEquals(golden.metadata["steps"], "5");
  assertEquals(golden.place("in.3"), { ...golden.place("in.3"), dtype: "F32", shape: [33, 7] });
  assertEquals(golden.place("out.0").dtype, "F64");
  assert(golden.numbers("out.0").length === 40 * 96);
});
