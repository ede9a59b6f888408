#define _GNU_SOURCE 1  // RTLD_NEXT, syscall

#include "CAllocationCounter.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc's allocator under the names that it keeps for those who wrap it.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static uint64_t count;

static void note(void) {
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
}

uint64_t allocation_count(void) {
    return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    note();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    note();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    note();
    void *block = __libc_memalign(alignment, size);
    if (block == NULL) return ENOMEM;
    *result = block;
    return 0;
}

uint64_t allocated_bytes(void) {
    struct mallinfo2 information = mallinfo2();
    return information.uordblks + information.hblkhd;
}

void return_free_memory(void) {
    malloc_trim(0);
}

// swift_retain of the Swift runtime, in front of which this one stands for the executable's own
// calls. Releases aren't counted: there is one for each.
typedef void *(*retain_function)(void *object);

static uint64_t retains;

uint64_t retain_count(void) {
    return __atomic_load_n(&retains, __ATOMIC_RELAXED);
}

void *swift_retain(void *object) {
    static retain_function next;
    if (next == NULL) next = (retain_function)dlsym(RTLD_NEXT, "swift_retain");
    __atomic_fetch_add(&retains, 1, __ATOMIC_RELAXED);
    return next(object);
}

int instruction_counter_open(void) {
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

uint64_t instruction_counter_read(int descriptor) {
    uint64_t value;
    return read(descriptor, &value, sizeof value) == sizeof value ? value : 0;
}
