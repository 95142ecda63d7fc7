// How the launcher fails, and the texts it makes: one message on standard error and exit code 125, which the program
// itself never uses. Tries nothing again. Texts are never freed: the launcher lives for milliseconds and then becomes
// the runtime. Includes only the standard library.
#ifndef NANOGPT_LAUNCHER_REPORT_H
#define NANOGPT_LAUNCHER_REPORT_H

// Prints "Cannot start nanogpt: " and the message, and ends with exit code 125.
_Noreturn void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A new text from a format.
char* text(const char* format, ...) __attribute__((format(printf, 1, 2)));

#endif
