// Preloaded into a gateway, is a host on which `localhost` has the addresses of a fresh Debian: ::1, and behind it
// 127.0.0.1.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    look_up *real = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "localhost") != 0) return real(name, service, hints, found);
    int status = real("::1", service, hints, found);
    if (status != 0) return status;
    struct addrinfo *last = *found;
    while (last->ai_next) last = last->ai_next;
    return real("127.0.0.1", service, hints, &last->ai_next);
}
