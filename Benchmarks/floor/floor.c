/* The floor of the benchmark: the least that a C program can do for the gateway's job.
 *
 * It accepts, upgrades, LISTENs, encodes each notification once, and sends it to each client of its
 * project in a loop. It checks no token, no frame and no limit, has no timers, and trusts its input.
 * Of what clients send it knows the close, and the ping by which round trips are measured.
 * The notifications of one read from PostgreSQL are sent together, one send per client.
 *
 * Environment: PORT, DATABASE_URL, and SEND_METHOD: `send` (the default), or `uring` for batches of
 * io_uring requests. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ID_BYTES = 36,         /* a UUID as text */
    HEAD_BYTES_MAX = 8192, /* a request's head; longer ones are cut off */
    BUCKETS = 4096,
    EVENTS_PER_WAIT = 512,
    SENDS_PER_SUBMIT = 256,
};

struct bytes {
    char *start;
    size_t count, capacity;
};

struct project {
    char id[ID_BYTES];
    int *members; /* descriptors */
    uint32_t member_count, member_capacity;
    struct bytes frames;              /* what this turn sends to each member */
    struct project *next_in_bucket, *next_changed;
};

/* One for each descriptor. */
struct client {
    struct project *project; /* NULL until the upgrade */
    struct bytes *pending;   /* before the upgrade: the head so far; then: what the socket didn't take */
    uint32_t position;       /* in the project's members */
};

static struct project *buckets[BUCKETS];
static struct project *changed;
static struct client *clients;
static int poller;
static bool uses_uring;
static struct io_uring ring;

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static void append(struct bytes *bytes, const void *from, size_t count) {
    if (bytes->count + count > bytes->capacity) {
        bytes->capacity = (bytes->count + count) * 2;
        bytes->start = realloc(bytes->start, bytes->capacity);
        if (bytes->start == NULL) die("realloc", "no memory");
    }
    memcpy(bytes->start + bytes->count, from, count);
    bytes->count += count;
}

static void watch(int operation, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(poller, operation, descriptor, &event) < 0) die("epoll_ctl", strerror(errno));
}

/* Projects */

static struct project *find_project(const char id[static ID_BYTES], bool create) {
    uint32_t hash = 2166136261;
    for (int i = 0; i < ID_BYTES; i++) hash = (hash ^ (uint8_t)id[i]) * 16777619;
    struct project **bucket = &buckets[hash % BUCKETS];
    for (struct project *project = *bucket; project != NULL; project = project->next_in_bucket)
        if (memcmp(project->id, id, ID_BYTES) == 0) return project;
    if (!create) return NULL;
    struct project *project = calloc(1, sizeof *project);
    if (project == NULL) die("calloc", "no memory");
    memcpy(project->id, id, ID_BYTES);
    project->next_in_bucket = *bucket;
    return *bucket = project;
}

static void join(int descriptor, struct project *project) {
    if (project->member_count == project->member_capacity) {
        project->member_capacity = project->member_capacity ? project->member_capacity * 2 : 4;
        project->members = realloc(project->members, project->member_capacity * sizeof(int));
        if (project->members == NULL) die("realloc", "no memory");
    }
    clients[descriptor].project = project;
    clients[descriptor].position = project->member_count;
    project->members[project->member_count++] = descriptor;
}

static void drop_pending(struct client *client) {
    if (client->pending == NULL) return;
    free(client->pending->start);
    free(client->pending);
    client->pending = NULL;
}

static void close_client(int descriptor) {
    struct client *client = &clients[descriptor];
    struct project *project = client->project;
    if (project != NULL) {
        int last = project->members[--project->member_count];
        project->members[client->position] = last;
        clients[last].position = client->position;
    }
    drop_pending(client);
    *client = (struct client){0};
    close(descriptor);
}

/* Sending */

static void keep(struct client *client, const void *from, size_t count) {
    if (client->pending == NULL) {
        client->pending = calloc(1, sizeof *client->pending);
        if (client->pending == NULL) die("calloc", "no memory");
    }
    append(client->pending, from, count);
}

/* `sent`: as send(2) returned it, or a negative errno. A broken connection is closed when epoll
 * reports it. */
static void after_send(int descriptor, ssize_t sent, const struct bytes *frames) {
    if (sent < 0) {
        if (sent != -EAGAIN) return;
        sent = 0;
    }
    if ((size_t)sent == frames->count) return;
    keep(&clients[descriptor], frames->start + sent, frames->count - sent);
    watch(EPOLL_CTL_MOD, descriptor, EPOLLIN | EPOLLOUT);
}

static void send_to(int descriptor, const struct bytes *frames) {
    ssize_t sent = send(descriptor, frames->start, frames->count, MSG_DONTWAIT | MSG_NOSIGNAL);
    after_send(descriptor, sent < 0 ? -errno : sent, frames);
}

static void submit(uint32_t count, const struct bytes *frames) {
    int submitted = io_uring_submit_and_wait(&ring, count);
    if (submitted != (int)count) die("io_uring_submit_and_wait", "not all were submitted");
    for (uint32_t reaped = 0; reaped < count; reaped++) {
        struct io_uring_cqe *cqe;
        int error = io_uring_wait_cqe(&ring, &cqe);
        if (error < 0) die("io_uring_wait_cqe", strerror(-error));
        after_send((int)cqe->user_data, cqe->res, frames);
        io_uring_cqe_seen(&ring, cqe);
    }
}

static void broadcast(const struct project *project) {
    const struct bytes *frames = &project->frames;
    uint32_t prepared = 0;
    for (uint32_t i = 0; i < project->member_count; i++) {
        int descriptor = project->members[i];
        struct client *client = &clients[descriptor];
        if (client->pending != NULL) {
            append(client->pending, frames->start, frames->count);
        } else if (!uses_uring) {
            send_to(descriptor, frames);
        } else {
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
            io_uring_prep_send(sqe, descriptor, frames->start, frames->count,
                               MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
            io_uring_sqe_set_data64(sqe, descriptor);
            if (++prepared == SENDS_PER_SUBMIT) {
                submit(prepared, frames);
                prepared = 0;
            }
        }
    }
    if (prepared > 0) submit(prepared, frames);
}

static void flush(int descriptor) {
    struct bytes *pending = clients[descriptor].pending;
    if (pending == NULL) return;
    ssize_t sent = send(descriptor, pending->start, pending->count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return;
    pending->count -= sent;
    memmove(pending->start, pending->start + sent, pending->count);
    if (pending->count > 0) return;
    drop_pending(&clients[descriptor]);
    watch(EPOLL_CTL_MOD, descriptor, EPOLLIN);
}

/* Notifications */

enum { RESOURCE, ACTION, PROJECT, ID, TIMESTAMP, CURSOR, ORIGIN, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"resource",  "action", "project_id", "id",
                                            "timestamp", "cursor", "origin"};

struct text {
    const char *start;
    size_t count;
};

/* The next string of a flat JSON object of strings, still escaped; false at the end. */
static bool next_string(const char **at, struct text *text) {
    const char *start = strchr(*at, '"');
    if (start == NULL) return false;
    const char *end = ++start;
    while (*end != '"') {
        if (*end == '\\') end++;
        if (*end == '\0') return false;
        end++;
    }
    *text = (struct text){start, end - start};
    *at = end + 1;
    return true;
}

static bool parse(const char *payload, struct text values[static KEY_COUNT]) {
    struct text key, value;
    while (next_string(&payload, &key) && next_string(&payload, &value))
        for (int i = 0; i < KEY_COUNT; i++)
            if (strlen(keys[i]) == key.count && memcmp(keys[i], key.start, key.count) == 0)
                values[i] = value;
    for (int i = 0; i <= TIMESTAMP; i++)
        if (values[i].count == 0) return false;
    return values[PROJECT].count == ID_BYTES;
}

static void append_value(struct bytes *to, const char *before, struct text value, const char *after) {
    append(to, before, strlen(before));
    append(to, value.start, value.count);
    append(to, after, strlen(after));
}

/* Appends the message as one text frame to its project's frames (RFC 6455 section 5.2). */
static void encode(const char *payload) {
    static struct bytes message;
    struct text values[KEY_COUNT] = {0};
    if (!parse(payload, values)) return;
    struct project *project = find_project(values[PROJECT].start, false);
    if (project == NULL || project->member_count == 0) return;

    message.count = 0;
    append_value(&message, "{\"type\":\"cache_invalidate\",\"resource\":\"", values[RESOURCE], "\"");
    append_value(&message, ",\"action\":\"", values[ACTION], "\"");
    append_value(&message, ",\"project_id\":\"", values[PROJECT], "\"");
    append_value(&message, ",\"data\":{\"id\":\"", values[ID], "\"");
    append_value(&message, ",\"timestamp\":\"", values[TIMESTAMP], "\"}");
    if (values[CURSOR].count) append_value(&message, ",\"cursor\":\"", values[CURSOR], "\"");
    if (values[ORIGIN].count) append_value(&message, ",\"origin\":\"", values[ORIGIN], "\"");
    append(&message, "}", 1);

    if (project->frames.count == 0) {
        project->next_changed = changed;
        changed = project;
    }
    uint8_t header[4] = {0x81, message.count, message.count >> 8, message.count};
    if (message.count > 125) header[1] = 126;
    append(&project->frames, header, message.count > 125 ? 4 : 2);
    append(&project->frames, message.start, message.count);
}

static void read_database(PGconn *database) {
    if (!PQconsumeInput(database)) die("PostgreSQL", PQerrorMessage(database));
    PGnotify *notification;
    while ((notification = PQnotifies(database)) != NULL) {
        encode(notification->extra);
        PQfreemem(notification);
    }
    for (; changed != NULL; changed = changed->next_changed) {
        broadcast(changed);
        changed->frames.count = 0;
    }
}

/* Clients */

static bool upgrade(int descriptor, const char *head) {
    static EVP_MD *sha1;
    static EVP_MD_CTX *digest;
    if (digest == NULL) {
        sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
        digest = EVP_MD_CTX_new();
    }
    const char *key = strcasestr(head, "\r\nSec-WebSocket-Key:");
    const char *id = strstr(head, "projectId=");
    if (key == NULL || id == NULL || strnlen(id + 10, ID_BYTES) < ID_BYTES) return false;
    key += strlen("\r\nSec-WebSocket-Key:");
    key += strspn(key, " ");

    uint8_t hash[EVP_MAX_MD_SIZE], accept[EVP_MAX_MD_SIZE * 2];
    EVP_DigestInit_ex2(digest, sha1, NULL);
    EVP_DigestUpdate(digest, key, strcspn(key, " \r"));
    EVP_DigestUpdate(digest, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    EVP_DigestFinal_ex(digest, hash, NULL);
    EVP_EncodeBlock(accept, hash, 20);

    char response[256];
    int count = snprintf(response, sizeof response,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    if (send(descriptor, response, count, MSG_DONTWAIT | MSG_NOSIGNAL) != count) return false;
    join(descriptor, find_project(id + 10, true));
    return true;
}

/* Answers a ping that came alone and whole (RFC 6455 section 5.5.2). */
static void answer_ping(int descriptor, const uint8_t *frame, size_t count) {
    size_t payload_count = frame[1] & 0x7f;
    if (count != payload_count + 6 || payload_count > 125) return;
    uint8_t pong[2 + 125] = {0x8a, payload_count};
    for (size_t i = 0; i < payload_count; i++) pong[2 + i] = frame[6 + i] ^ frame[2 + i % 4];
    send(descriptor, pong, 2 + payload_count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void read_client(int descriptor) {
    char input[HEAD_BYTES_MAX + 1];
    struct client *client = &clients[descriptor];
    ssize_t count = recv(descriptor, input, HEAD_BYTES_MAX, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return close_client(descriptor);
    if (client->project != NULL) {
        int opcode = input[0] & 0x0f;
        if (opcode == 0x8) close_client(descriptor);
        if (opcode == 0x9 && count > 1) answer_ping(descriptor, (const uint8_t *)input, count);
        return;
    }
    if (client->pending != NULL || count < 4 || memcmp(input + count - 4, "\r\n\r\n", 4) != 0) {
        keep(client, input, count);
        if (client->pending->count > HEAD_BYTES_MAX) return close_client(descriptor);
        count = client->pending->count;
        memcpy(input, client->pending->start, count);
    }
    input[count] = '\0';
    if (strstr(input, "\r\n\r\n") == NULL) return;
    drop_pending(client);
    if (!upgrade(descriptor, input)) close_client(descriptor);
}

static void accept_clients(int listener) {
    int descriptor;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        watch(EPOLL_CTL_ADD, descriptor, EPOLLIN);
}

static int listen_on(const char *port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        die("listen", strerror(errno));
    return listener;
}

static PGconn *listen_to(const char *url) {
    PGconn *database = PQconnectdb(url);
    PGresult *result = PQexec(database, "LISTEN cache_invalidate");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die("PostgreSQL", PQerrorMessage(database));
    PQclear(result);
    return database;
}

int main(void) {
    const char *port = getenv("PORT"), *url = getenv("DATABASE_URL"), *method = getenv("SEND_METHOD");
    if (port == NULL || url == NULL) die("PORT, DATABASE_URL", "must be set");
    uses_uring = method != NULL && strcmp(method, "uring") == 0;
    if (method != NULL && !uses_uring && strcmp(method, "send") != 0) die("SEND_METHOD", method);
    if (uses_uring) {
        int error = io_uring_queue_init(SENDS_PER_SUBMIT, &ring, IORING_SETUP_SUBMIT_ALL);
        if (error < 0) die("io_uring", strerror(-error));
    }

    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    clients = calloc(limit.rlim_cur, sizeof *clients);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (clients == NULL || poller < 0) die("start", strerror(errno));

    PGconn *database = listen_to(url);
    int listener = listen_on(port);
    watch(EPOLL_CTL_ADD, PQsocket(database), EPOLLIN);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS_PER_WAIT];
        int count = epoll_wait(poller, events, EVENTS_PER_WAIT, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener) {
                accept_clients(listener);
            } else if (descriptor == PQsocket(database)) {
                read_database(database);
            } else {
                if (events[i].events & EPOLLOUT) flush(descriptor);
                if (events[i].events & ~EPOLLOUT) read_client(descriptor);
            }
        }
    }
}
