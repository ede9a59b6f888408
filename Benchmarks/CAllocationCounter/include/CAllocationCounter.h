#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdint.h>

/// Allocations of this process so far, by whomever: malloc(3), calloc, realloc, aligned_alloc and
/// posix_memalign each count as one. An executable that links this counts those of the Swift
/// runtime and of every C library too, since its own definitions come first.
uint64_t allocation_count(void);

/// Times that the code of this executable, not that of the Swift libraries, retained an object.
uint64_t retain_count(void);

/// Begins to count the instructions of this thread (perf_event_open(2)). Returns a descriptor, or a
/// negative number where the system doesn't allow it or has no counter.
int instruction_counter_open(void);

/// Instructions executed in user mode since the counter was opened; 0 where it can't be read.
uint64_t instruction_counter_read(int descriptor);

#endif
