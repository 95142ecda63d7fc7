// BLAKE2b-512 (RFC 7693), the hash of every packed file. Chosen over SHA-256 because plain C computes it about three
// times as fast (the runtime alone is 96 MB), and `b2sum` checks it by hand. No key, no other digest size.
// Includes only the standard library.
#ifndef NANOGPT_LAUNCHER_BLAKE2B_H
#define NANOGPT_LAUNCHER_BLAKE2B_H
#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_BYTES = 64, BLAKE2B_HEX = 2 * BLAKE2B_BYTES, BLAKE2B_BLOCK = 128 };

typedef struct {
  uint64_t state[8];
  uint64_t bytes;  // hashed so far; more than 2^64 are never asked for
  uint8_t block[BLAKE2B_BLOCK];
  size_t used;  // bytes waiting in block
} Blake2b;

void blake2b_begin(Blake2b* hash);
void blake2b_add(Blake2b* hash, const void* data, size_t bytes);
// Writes the digest as BLAKE2B_HEX lower-case digits and a zero.
void blake2b_end(Blake2b* hash, char hex[BLAKE2B_HEX + 1]);

#endif
