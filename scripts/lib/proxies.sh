# For the end-to-end tests: proxies as Debian has them, without installing them.
# shellcheck shell=bash

# fetch_proxies: unpacks them, and the libraries that are missing here, in .state/proxies. Installed they would start
# as services, at once and at the next boot. Fails if they can't be had.
fetch_proxies() {
    local folder="${state:?}/proxies" package
    local packages=(nginx haproxy apache2-bin caddy)
    [[ ! -e $folder/complete ]] || return 0
    command -v apt-get >/dev/null || return 1
    say "fetching: ${packages[*]}"
    rm -rf "$folder"
    mkdir -p "$folder/archives/partial"
    # Its lists of packages may be older than what is there to be fetched; only root can renew them.
    ((EUID != 0)) || apt-get update -q </dev/null >&2 || true
    # What is installed already isn't fetched, nor needed.
    apt-get install --download-only -q -y --no-install-recommends -o Debug::NoLocking=1 \
        -o Dir::Cache::archives="$folder/archives" "${packages[@]}" </dev/null >&2 || return 1
    for package in "$folder"/archives/*.deb; do
        [[ ! -e $package ]] || dpkg -x "$package" "$folder" || return 1
    done
    rm -r "$folder/archives"
    touch "$folder/complete"
}
