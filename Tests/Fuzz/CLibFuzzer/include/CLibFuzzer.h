// The one function of libFuzzer that a program calls which has its own `main`
// (llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library"). Its library has no header.

#ifndef CLIBFUZZER_H
#define CLIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(
    int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
