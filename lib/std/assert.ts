// @std/assert under its own name: a re-export of the npm copy of Deno's standard library, with the types that the npm
// copy leaves out (assert.d.ts beside this file). Only lib/std/ may import "deno-std/"; tests import "@std/assert"
// through the import map. Numeric comparisons of tensors use lib/base/compare.ts instead.

// @ts-types="./assert.d.ts"
export * from "deno-std/assert/mod.js";
