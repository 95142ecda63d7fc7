// BLAKE2b-512 as in RFC 7693, sections 2 and 3; see blake2b.h. Plain C for a little-endian machine.
// Refuses nothing: every input has a hash.
// Includes only blake2b.h and the standard library.
#include "blake2b.h"
#include <stdbool.h>
#include <string.h>

// The fractional parts of the square roots of the first eight primes (section 2.6).
static const uint64_t START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

// The order of the message words in each round (section 2.7); rounds 10 and 11 repeat 0 and 1.
static const uint8_t ORDER[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

static inline uint64_t rotated(uint64_t word, int right) { return word >> right | word << (64 - right); }

// Section 3.1.
static inline void mix(uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = rotated(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = rotated(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 63);
}

// Section 3.2; hash->bytes counts this block already.
static void compress(Blake2b* hash, const uint8_t block[BLAKE2B_BLOCK], bool last) {
  uint64_t m[16], v[16];
  memcpy(m, block, sizeof m);
  memcpy(v, hash->state, sizeof hash->state);
  memcpy(v + 8, START, sizeof START);
  v[12] ^= hash->bytes;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < 12; round++) {
    const uint8_t* s = ORDER[round];
    mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
    mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
    mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
    mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
    mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
    mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
    mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
    mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (int i = 0; i < 8; i++) hash->state[i] ^= v[i] ^ v[i + 8];
}

void blake2b_begin(Blake2b* hash) {
  memcpy(hash->state, START, sizeof START);
  hash->state[0] ^= 0x01010000 ^ BLAKE2B_BYTES;  // the parameter block: no key, no tree (section 2.5)
  hash->bytes = 0;
  hash->used = 0;
}

void blake2b_add(Blake2b* hash, const void* data, size_t bytes) {
  const uint8_t* next = data;
  while (bytes > 0) {
    // A full block waits for more, since the last one is compressed differently.
    if (hash->used == BLAKE2B_BLOCK) {
      hash->bytes += BLAKE2B_BLOCK;
      compress(hash, hash->block, false);
      hash->used = 0;
    }
    const size_t room = BLAKE2B_BLOCK - hash->used;
    const size_t taken = bytes < room ? bytes : room;
    memcpy(hash->block + hash->used, next, taken);
    hash->used += taken;
    next += taken;
    bytes -= taken;
  }
}

void blake2b_end(Blake2b* hash, char hex[BLAKE2B_HEX + 1]) {
  static const char DIGITS[] = "0123456789abcdef";
  memset(hash->block + hash->used, 0, BLAKE2B_BLOCK - hash->used);
  hash->bytes += hash->used;
  compress(hash, hash->block, true);
  const uint8_t* digest = (const uint8_t*)hash->state;
  for (int i = 0; i < BLAKE2B_BYTES; i++) {
    hex[2 * i] = DIGITS[digest[i] >> 4];
    hex[2 * i + 1] = DIGITS[digest[i] & 15];
  }
  hex[BLAKE2B_HEX] = 0;
}
