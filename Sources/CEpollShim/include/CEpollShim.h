/// What Swift cannot import by itself: kernel interfaces that the Glibc module leaves out, and
/// macros or variadic functions of the C libraries, each wrapped under its own name with the
/// prefix `ces_`. No logic and no state.
#ifndef CEPOLLSHIM_H
#define CEPOLLSHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1  // Before any include: glibc hides accept4 and its kin otherwise.
#endif

// fd_set and __rusage_who get more names under _GNU_SOURCE. The Glibc module, which Foundation,
// Dispatch and Synchronization bring along, declares them without; the compiler refuses a program
// that sees both. So these two headers are read first, as that module reads them.
#include <features.h>
#undef __USE_XOPEN
#undef __USE_GNU
#include <sys/resource.h>
#include <sys/select.h>
#define __USE_XOPEN 1
#define __USE_GNU 1

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <liburing.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>  // Debian keeps it in a folder of its own.
#endif

_Static_assert(sizeof(struct epoll_event) == 12,
               "Poller assumes the packed layout that epoll_event has on x86-64");

// `errno` is a macro over a function call.
static inline int ces_errno(void) { return errno; }

// Variadic: fcntl(2) with an integer argument.
static inline int ces_fcntl_int(int descriptor, int command, int argument) {
    return fcntl(descriptor, command, argument);
}

// The address arguments of these calls are transparent unions once _GNU_SOURCE is set, which
// Swift cannot spell; the wrappers take what the manual pages show.
static inline int ces_accept4(int descriptor, struct sockaddr *address, socklen_t *length,
                              int flags) {
    return accept4(descriptor, address, length, flags);
}
static inline int ces_bind(int descriptor, const struct sockaddr *address, socklen_t length) {
    return bind(descriptor, address, length);
}
static inline int ces_connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    return connect(descriptor, address, length);
}
static inline int ces_getsockname(int descriptor, struct sockaddr *address, socklen_t *length) {
    return getsockname(descriptor, address, length);
}
static inline int ces_getpeername(int descriptor, struct sockaddr *address, socklen_t *length) {
    return getpeername(descriptor, address, length);
}

// A packet with one descriptor beside it, or with none for a negative one (SCM_RIGHTS, unix(7)): its control
// messages are made and read by macros.
static inline ssize_t ces_send_descriptor(int socket, const void *bytes, size_t count,
                                          int descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The same for receiving. Without a descriptor `*descriptor` is -1.
static inline ssize_t ces_receive_descriptor(int socket, void *bytes, size_t count,
                                             int *descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {bytes, count};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    *descriptor = -1;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    }
    return received;
}

// The user of the process at the other end of a Unix socket (SO_PEERCRED, unix(7)), or (uid_t)-1.
static inline uid_t ces_peer_user(int descriptor) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    int status = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    return status == 0 ? peer.uid : (uid_t)-1;
}

// getrlimit(2) takes an enum under _GNU_SOURCE.
static inline int ces_getrlimit_nofile(struct rlimit *limit) {
    return getrlimit(RLIMIT_NOFILE, limit);
}
static inline int ces_setrlimit_nofile(const struct rlimit *limit) {
    return setrlimit(RLIMIT_NOFILE, limit);
}

// MAP_FAILED and SIG_IGN are casts, which the import drops.
static inline void *ces_mmap_reserve(size_t length) {
    void *start = mmap(NULL, length, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}
static inline void ces_ignore_signal(int number) { signal(number, SIG_IGN); }

// Flags whose C spelling is an enum or a macro that does not survive the import unchanged.
static const uint32_t ces_EPOLLIN = EPOLLIN;
static const uint32_t ces_EPOLLOUT = EPOLLOUT;
static const uint32_t ces_EPOLLERR = EPOLLERR;
static const uint32_t ces_EPOLLHUP = EPOLLHUP;
static const uint32_t ces_EPOLLRDHUP = EPOLLRDHUP;
static const int ces_SOCK_STREAM = SOCK_STREAM;
static const int ces_SOCK_SEQPACKET = SOCK_SEQPACKET;
static const int ces_SOCK_NONBLOCK = SOCK_NONBLOCK;
static const int ces_SOCK_CLOEXEC = SOCK_CLOEXEC;
static const int ces_MSG_NOSIGNAL = MSG_NOSIGNAL;
static const int ces_MSG_DONTWAIT = MSG_DONTWAIT;
static const int ces_MSG_PEEK = MSG_PEEK;
static const int ces_MSG_WAITALL = MSG_WAITALL;

// A character constant in libpq.
static const int ces_PG_DIAG_SQLSTATE = PG_DIAG_SQLSTATE;

// Inline functions and macros of jansson.
static inline json_type ces_json_typeof(const json_t *value) { return json_typeof(value); }
static inline void ces_json_decref(json_t *value) { json_decref(value); }
// The function bears the name of the enum that it returns, which Swift can't tell apart.
static inline int ces_json_error_code(const json_error_t *error) {
    return (int)json_error_code(error);
}

// Compiler builtins. Swift's own atomics are in a module that brings the Glibc module with it, whose
// idea of the C library (without _GNU_SOURCE) contradicts this header's.
static inline uint64_t ces_atomic_load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline int ces_atomic_compare_exchange(uint64_t *word, uint64_t *expected,
                                              uint64_t desired) {
    return __atomic_compare_exchange_n(word, expected, desired, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

// `environ` is a mutable global, which Swift 6 refuses to read.
static inline char *const *ces_environ(void) { return environ; }

// The kind of file that a descriptor is open on (inode(7)); zero if it is on none.
static inline unsigned ces_file_kind(int descriptor) {
    struct stat about;
    return fstat(descriptor, &about) == 0 ? about.st_mode & S_IFMT : 0;
}
static const unsigned ces_S_IFSOCK = S_IFSOCK;
static const unsigned ces_S_IFREG = S_IFREG;

// Opens what a descriptor is open on once more, so that it has flags of its own (proc_pid_fd(5)).
static inline int ces_reopen_for_writing(int descriptor) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}
static inline int ces_open_null(void) { return open("/dev/null", O_RDWR); }

// Variadic: open(2) without O_CREAT, so without a mode.
static inline int ces_open_read(const char *path) {
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

// stat(2): `struct stat` and the function share a name. The kind of file (inode(7)); zero on failure.
static inline unsigned ces_stat_kind(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

// The size alone; negative on failure.
static inline int64_t ces_stat_size(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : -1;
}

// Character constants in libpq.
static const int ces_PG_DIAG_SEVERITY_NONLOCALIZED = PG_DIAG_SEVERITY_NONLOCALIZED;
static const int ces_PG_DIAG_MESSAGE_PRIMARY = PG_DIAG_MESSAGE_PRIMARY;
static const int ces_PG_DIAG_MESSAGE_DETAIL = PG_DIAG_MESSAGE_DETAIL;
static const int ces_PG_DIAG_MESSAGE_HINT = PG_DIAG_MESSAGE_HINT;
static const int ces_PG_DIAG_STATEMENT_POSITION = PG_DIAG_STATEMENT_POSITION;
static const int ces_PG_DIAG_CONTEXT = PG_DIAG_CONTEXT;

// Compiler builtins, for a counter that log handlers share. Swift's own atomics are in a module that
// brings the Glibc module with it, whose idea of the C library contradicts this header's.
static inline void ces_atomic_add(uint64_t *word, uint64_t count) {
    __atomic_fetch_add(word, count, __ATOMIC_RELAXED);
}
static inline void ces_atomic_increment(uint64_t *word) {
    __atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

// posix_spawn(3) and waitpid(2), for programs that start copies of themselves.
#include <spawn.h>
#include <sys/wait.h>

// waitid(2) for a pidfd: its results are macros over a union of `siginfo_t`. Returns 1 when the process
// has ended and is reaped now, 0 when it runs, and -1 with errno. `code` becomes an exit code, or the
// number of the signal that killed it, negated.
static inline int ces_reap_pidfd(int descriptor, int *code) {
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)descriptor, &info, WEXITED | WNOHANG) != 0) return -1;
    if (info.si_pid == 0) return 0;
    *code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return 1;
}

// prctl(2) is variadic.
static inline int ces_die_with_parent(int signal_number) {
    return prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0);
}
static inline int ces_set_process_name(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

// Whether the process may be dumped and traced by others of its user (PR_SET_DUMPABLE).
static inline int ces_set_dumpable(int value) {
    return prctl(PR_SET_DUMPABLE, value, 0, 0, 0);
}

// Flags of posix_spawn(3) are bits of a short.
static const short ces_spawn_flags =
    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
static const int ces_SOCK_DGRAM = SOCK_DGRAM;

// A macro of OpenSSL that joins two others.
static const int ces_EVP_PKEY_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;

// Names of parameters, which OpenSSL keeps by their address. As macros they become values of `String`,
// whose address holds for one call only.
static const char *const ces_OSSL_MAC_PARAM_DIGEST = OSSL_MAC_PARAM_DIGEST;
static const char *const ces_OSSL_MAC_PARAM_KEY = OSSL_MAC_PARAM_KEY;
static const char *const ces_OSSL_PKEY_PARAM_RSA_N = OSSL_PKEY_PARAM_RSA_N;
static const char *const ces_OSSL_PKEY_PARAM_RSA_E = OSSL_PKEY_PARAM_RSA_E;
static const char *const ces_OSSL_PKEY_PARAM_GROUP_NAME = OSSL_PKEY_PARAM_GROUP_NAME;
static const char *const ces_OSSL_PKEY_PARAM_PUB_KEY = OSSL_PKEY_PARAM_PUB_KEY;

// Macros of OpenSSL over SSL_CTX_ctrl(3), and options that a macro builds from a bit's number.
static inline int ces_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline int ces_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}
static inline int ces_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *names) {
    return (int)SSL_CTX_set1_groups_list(context, names);
}
static inline void ces_SSL_CTX_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}
static inline void ces_SSL_CTX_clear_mode(SSL_CTX *context, long mode) {
    SSL_CTX_clear_mode(context, mode);
}
static inline void ces_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void ces_SSL_CTX_set_max_cert_list(SSL_CTX *context, long bytes) {
    SSL_CTX_set_max_cert_list(context, bytes);
}
static inline int ces_SSL_set_max_proto_version(SSL *session, int version) {
    return (int)SSL_set_max_proto_version(session, version);
}
static inline int ces_SSL_set1_groups_list(SSL *session, const char *names) {
    return (int)SSL_set1_groups_list(session, names);
}
/// The longest record from here on. A shorter one lowers the size at which longer data is split as well,
/// which doesn't come back by itself.
static inline void ces_SSL_set_max_send_fragment(SSL *session, long bytes) {
    SSL_set_max_send_fragment(session, bytes);
    SSL_set_split_send_fragment(session, bytes);
}
/// Asks for the cache lines of a session that SSL_write(3) reads, as OpenSSL 3.0 lays it out on x86-64. A
/// hint: where they are others, it gains nothing and does no harm.
static inline void ces_prefetch_SSL(const SSL *session) {
    static const uint16_t lines[] = {0x0, 0x40, 0x4c0, 0x840, 0x880, 0x8c0, 0x900, 0x9c0, 0x1c80, 0x1cc0, 0x1d40};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        __builtin_prefetch((const char *)session + lines[i]);
}
static const uint64_t ces_tls_server_options =
    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE
    | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_SSLv3;

// Of the SSL that is a client's: the name that the certificate must have, which goes out as SNI.
static inline long ces_SSL_set_tlsext_host_name(SSL *session, const char *name) {
    return SSL_set_tlsext_host_name(session, name);
}

// ioctl_tty(2), FIONREAD, for sockets as well; none where it isn't known.
static inline int ces_readable_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 ? count : 0;
}

// stat(2): the permission bits alone; negative on failure.
static inline int ces_stat_permissions(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (int)(status.st_mode & 07777) : -1;
}

// Macros of zlib, over functions that want its version. Raw DEFLATE: `window_bits` is negative.
#include <zlib.h>
static inline int ces_deflateInit2(z_stream *stream, int level, int window_bits, int memory_level,
                                   int strategy) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, memory_level, strategy);
}
static inline int ces_inflateInit2(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}

#endif
