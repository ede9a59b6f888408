# Shared by the `start` of each contestant of the benchmark.
#
# `start` runs in the foreground, listening on 127.0.0.1:$PORT, until SIGTERM. It takes DATABASE_URL
# and JWT_SECRET from the environment, and keeps what it builds in .state/bench/NAME. All contestants
# do the same: they serve WebSockets at /api/v1/messages/ws?token=…&projectId=…, LISTEN on
# cache_invalidate, and send each notification to the clients of its project, as the gateway writes
# it. The port opens when LISTEN is established. `start --check` prints the Debian packages that are
# missing, one a line, and fails if there are any.
# shellcheck shell=bash source-path=SCRIPTDIR source-path=SCRIPTDIR/..
# shellcheck source=../../scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"

is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# prepare NAME OPTION PACKAGE...: answers the option --check with the packages that are missing;
# without an option sets `work`, the folder for what is built, and allows as many connections as the
# system does.
prepare() {
    local name=$1 option=$2 status=0
    shift 2
    if [[ $option == --check ]]; then
        for name in "$@"; do
            has_package "$name" && continue
            printf '%s\n' "$name"
            status=1
        done
        exit "$status"
    fi
    : "${PORT:?}" "${DATABASE_URL:?}" "${JWT_SECRET:?}"
    work="$state/bench/$name"
    mkdir -p "$work"
    ulimit -n "$(ulimit -H -n)"
}

# A contestant defines its own where what a package holds can also have come from elsewhere.
has_package() {
    is_installed "$1"
}
