// Preloaded into a gateway, lets allocations of OpenSSL fail at random.
//
// The file named by PRELOADED_SETTINGS holds one byte: of 256 allocations, so many fail. It is mapped, so
// that a test can change it while the gateway runs.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *block, size_t size);

static volatile const uint8_t *share;
static uint32_t state = 2463534242u;

__attribute__((constructor)) static void map_share(void) {
    const char *path = getenv("PRELOADED_SETTINGS");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page != MAP_FAILED) share = page;
}

// OpenSSL allocates through CRYPTO_malloc and CRYPTO_realloc, so the caller is in libcrypto.
static int fails(const void *caller) {
    if (!share || !*share) return 0;
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname || !strstr(info.dli_fname, "libcrypto")) return 0;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (state & 0xff) < *share;
}

void *malloc(size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *realloc(void *block, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}
