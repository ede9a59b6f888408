// Preloaded into a gateway, is a host whose clocks jump, or whose table of open files is full.
//
// The file named by PRELOADED_SETTINGS holds a `struct settings`. It is mapped, so that a test can change
// it while the gateway runs.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct settings {
    int64_t wall_seconds; // added to CLOCK_REALTIME
    int64_t files_full;   // accept4(2) finds no place
    int64_t more_seconds; // added to CLOCK_MONOTONIC; what waits in the kernel goes on to wait
};

static const struct settings none;
static const volatile struct settings *settings = &none;
static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_accept)(int, struct sockaddr *, socklen_t *, int);

__attribute__((constructor)) static void begin(void) {
    real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_accept = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    const char *path = getenv("PRELOADED_SETTINGS");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *page = mmap(NULL, sizeof *settings, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page != MAP_FAILED) settings = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = real_clock(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += settings->wall_seconds;
    if (clock == CLOCK_MONOTONIC) time->tv_sec += settings->more_seconds;
    return result;
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    if (!settings->files_full) return real_accept(listener, address, length, flags);
    errno = ENFILE;
    return -1;
}
