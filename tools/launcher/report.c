// How the launcher fails, and the texts it makes: see report.h.
// Refuses nothing and frees nothing.
// Includes only report.h and the standard library.
#include "report.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CANNOT_START = 125 };

_Noreturn void fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  fputs("Cannot start nanogpt: ", stderr);
  vfprintf(stderr, format, values);
  fputc('\n', stderr);
  va_end(values);
  exit(CANNOT_START);
}

char* text(const char* format, ...) {
  va_list values;
  va_start(values, format);
  char* made;
  if (vasprintf(&made, format, values) < 0) fail("not enough memory");
  va_end(values);
  return made;
}
