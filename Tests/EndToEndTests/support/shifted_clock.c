// Preloaded into a gateway, sets its monotonic clock ahead.
//
// The file named by PRELOADED_SETTINGS holds eight bytes: seconds. It is mapped, so that a test can change it
// while the gateway runs. What waits in the kernel goes on to wait.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *ahead;

__attribute__((constructor)) static void map_settings(void) {
    const char *path = getenv("PRELOADED_SETTINGS");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page != MAP_FAILED) ahead = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int status = (int)syscall(SYS_clock_gettime, clock, time);
    if (status == 0 && clock == CLOCK_MONOTONIC && ahead) time->tv_sec += *ahead;
    return status;
}
