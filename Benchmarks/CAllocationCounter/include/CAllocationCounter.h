#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdint.h>

/// Allocations of this process so far, by whomever: malloc(3), calloc, realloc, aligned_alloc and
/// posix_memalign each count as one. An executable that links this counts those of the Swift
/// runtime and of every C library too, since its own definitions come first.
uint64_t allocation_count(void);

/// Times that the code of this executable, not that of the Swift libraries, retained an object.
uint64_t retain_count(void);

/// Bytes that malloc(3) and its kin have given out and not got back, with what they add to each block.
uint64_t allocated_bytes(void);

/// Lets the kernel have all pages on which nothing is given out.
void return_free_memory(void);

/// Begins to count the instructions of this thread (perf_event_open(2)). Returns a descriptor, or a
/// negative number where the system doesn't allow it or has no counter.
int instruction_counter_open(void);

/// Instructions executed in user mode since the counter was opened; 0 where it can't be read.
uint64_t instruction_counter_read(int descriptor);

#endif
