// @std/text under its own name, only the part that measures how alike two words are: a re-export of the npm copy of
// Deno's standard library, with the types that the npm copy leaves out (text.d.ts beside this file). Only lib/std/ may
// import "deno-std/"; everything else imports "@std/text" through the import map.

// @ts-types="./text.d.ts"
export * from "deno-std/text/levenshtein_distance.js";
