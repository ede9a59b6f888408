# Shared by the scripts: the checkout's folder, packages, Swift, ports, a private PostgreSQL.
# shellcheck shell=bash

set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
state="$repository/.state"
export repository state

# What is needed to build, to run and to test, as Debian calls it; each name is there in 12 and in 13.
# Swift's own programs need the libraries, and it links by what comes with g++: the linker, the objects
# that programs start with, and the library of C++. curl is for its library, whose package has two names.
swift_packages=(g++ binutils git ca-certificates curl libncurses6 libxml2 libsqlite3-0 tzdata)
build_packages=("${swift_packages[@]}" libpq-dev libssl-dev liburing-dev libjansson-dev zlib1g-dev libhiredis-dev pkg-config)
run_packages=(postgresql python3 python3-websockets curl)
conformance_packages=(python3 python3-venv)
test_packages=(
    python3-pytest python3-psycopg2 python3-jwt python3-cryptography
    nodejs node-ws openssl node-typescript esbuild shellcheck redis-server iproute2 "${conformance_packages[@]}"
)
export swift_packages build_packages run_packages conformance_packages test_packages

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "error: $*"
    exit 1
}

# ensure_packages NAME...: installs those that are missing, and asks the network only then.
ensure_packages() {
    local package missing=() as_root=()
    command -v apt-get >/dev/null || {
        say "note: no apt-get here; what Debian calls so has to be there already: $*"
        return
    }
    for package in "$@"; do
        # Node may have come from elsewhere.
        if [[ $package == nodejs ]] && command -v node >/dev/null; then
            continue
        fi
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] \
            || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    say "installing: ${missing[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "sudo is needed to install: ${missing[*]}"
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null >&2
}

# The releases of Debian, and the Swift, that all of this is tried with.
tried="Debian 12 and 13, with Swift 6.3.1 of swift.org for Debian 12"

# Puts Swift on PATH, and checks that it runs and isn't older than Package.swift asks for.
find_swift() {
    local folder output needed found
    for folder in "${SWIFT_HOME:-}" /opt/swift "${SWIFTLY_HOME_DIR:-$HOME/.local/share/swiftly}" \
        /usr/share/swift /usr/local/swift; do
        ! command -v swift >/dev/null || break
        if [[ -x $folder/usr/bin/swift ]]; then
            PATH="$folder/usr/bin:$PATH"
        elif [[ -x $folder/bin/swift ]]; then
            PATH="$folder/bin:$PATH"
        fi
    done
    needed=$(sed -n '1s/.*swift-tools-version: *//p' "$repository/Package.swift")
    command -v swift >/dev/null \
        || fail "Swift isn't installed, and $needed or newer is needed (tried: $tried):" \
            "see https://www.swift.org/install/linux/, or set SWIFT_HOME to its folder"
    output=$(swift --version 2>&1 </dev/null) \
        || fail "$(command -v swift) doesn't run here (tried: $tried): $output"
    found=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' <<<"$output" | head -n 1)
    [[ $(printf '%s\n' "$needed" "${found:-0}" | sort -V | head -n 1) == "$needed" ]] \
        || fail "$(command -v swift) is Swift ${found:-of no known version}, and $needed or newer is needed"
}

# free_port FIRST: the first port of the loopback interface from FIRST on that nobody listens on.
free_port() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import socket
import sys

for port in range(int(sys.argv[1]), 65536):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
else:
    sys.exit("no free port")
PYTHON
}

# random_secret: 256 bits as hexadecimal digits.
random_secret() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# keep_secret FILE: makes the file with a new secret, readable for its owner only, if it isn't there.
keep_secret() {
    [[ -s $1 ]] || (umask 077 && random_secret >"$1")
}

# forget_settings: unsets what the caller's shell exports for a gateway of its own, for scripts that
# start gateways with settings of theirs. What tells the tests something, not a gateway, stays.
forget_settings() {
    local name
    unset DATABASE_URL DATABASE_URL_FILE JWT_SECRET JWT_SECRET_FILE JWT_SECRET_NEXT JWT_SECRET_NEXT_FILE
    unset REDIS_URL REDIS_URL_FILE BUS_SECRET BUS_SECRET_FILE
    for name in "${!DEVHIVE_@}"; do
        case $name in
            DEVHIVE_TEST_* | DEVHIVE_GATEWAY_BIN | DEVHIVE_STORM | DEVHIVE_SEED | DEVHIVE_FLOOD_* | DEVHIVE_SOAK_*) ;;
            *) unset "$name" ;;
        esac
    done
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if ((EUID == 0)); then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# The folder of initdb and pg_ctl: Debian keeps them out of PATH, one folder for each version.
postgres_programs() {
    local programs
    programs=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [[ -n $programs ]] || programs=$(command -v initdb) || fail "PostgreSQL's server isn't installed"
    dirname "$programs"
}

# postgres_reserve: takes the checkout's own PostgreSQL for this script, or fails when another one has
# it or its folder belongs to a user that PostgreSQL wouldn't run as. Touches nothing of it. Scripts
# that build first call it before that too, so that it fails at once, and not as root in another's .build.
#
# The lock is descriptor 9, and the kernel frees it when the script ends, however it does. What may
# outlive the script must be started with `9>&-`, or it keeps the lock.
postgres_reserve() {
    local owner user
    [[ -z ${postgres_is_reserved:-} ]] || return 0
    mkdir -p "$state"
    if [[ -e $state/postgres ]]; then
        user=$(if ((EUID == 0)); then echo postgres; else id -un; fi)
        owner=$(stat -L -c %U "$state/postgres")
        # One of root's is what a run as root leaves when it is cut short.
        [[ $owner == "$user" || ($EUID == 0 && $owner == root) ]] \
            || fail "$state/postgres belongs to $owner, and PostgreSQL would run as $user: run this as the" \
                "user who ran it before, or remove that folder"
    fi
    exec 9>>"$state/postgres.lock"
    flock -n 9 || fail "another script of this checkout (scripts/run, scripts/bench or" \
        "Benchmarks/writers/run, Benchmarks/direct/run, Benchmarks/bus/run) is using $state/postgres: end it first"
    postgres_is_reserved=yes
}

# postgres_start: starts the checkout's own PostgreSQL, makes it first if need be. Sets postgres_url.
postgres_start() {
    local port password_file="$state/postgres-password"
    postgres_reserve
    keep_secret "$password_file"
    postgres_programs=$(postgres_programs)

    postgres_folder="$state/postgres"
    if ((EUID == 0)); then
        # The user postgres must be able to reach it, through all folders above.
        mkdir -p "$postgres_folder"
        chown postgres "$postgres_folder"
        if ! as_postgres test -w "$postgres_folder"; then
            rmdir "$postgres_folder"
            postgres_folder="/var/tmp/devhive-postgres-$(cksum <<<"$repository" | cut -d ' ' -f 1)"
            say "note: the user postgres cannot reach $state, so the database is in $postgres_folder"
            mkdir -p "$postgres_folder"
            [[ -O $postgres_folder || $(stat -c %U "$postgres_folder") == postgres ]] \
                || fail "$postgres_folder belongs to somebody else"
            chown postgres "$postgres_folder"
        fi
    else
        mkdir -p "$postgres_folder"
    fi
    chmod 700 "$postgres_folder"

    if [[ $(as_postgres cat "$postgres_folder/data/PG_VERSION" 2>/dev/null) == "" ]]; then
        as_postgres tee "$postgres_folder/password" <"$password_file" >/dev/null
        as_postgres "$postgres_programs/initdb" -D "$postgres_folder/data" -U devhive -E UTF8 \
            --locale=C -A scram-sha-256 --pwfile="$postgres_folder/password" </dev/null >/dev/null
    fi
    if as_postgres "$postgres_programs/pg_ctl" -D "$postgres_folder/data" status >/dev/null; then
        as_postgres "$postgres_programs/pg_ctl" -D "$postgres_folder/data" -m fast -w stop >/dev/null
    fi
    port=$(free_port 54320)
    as_postgres "$postgres_programs/pg_ctl" -D "$postgres_folder/data" -w -s \
        -l "$postgres_folder/server.log" \
        -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=''" start \
        </dev/null >/dev/null 9>&-
    postgres_url="postgresql://devhive:$(cat "$password_file")@127.0.0.1:$port/postgres"
    export postgres_url
}

postgres_stop() {
    [[ -n ${postgres_folder:-} ]] || return 0
    as_postgres "$postgres_programs/pg_ctl" -D "$postgres_folder/data" -m fast -w -s stop \
        </dev/null >/dev/null 2>&1 || true
}
