# For `scripts/test --in-debian`: a fresh Debian in a folder, in which the tests run as on such a machine.
# shellcheck shell=bash

# run_in_debian RELEASE ARGUMENT...: runs `scripts/test ARGUMENT...` there, on a copy of this checkout.
#
# .state/debian/RELEASE is made by debootstrap at the first time and kept, with what was installed and
# built in it; `rm -r` of it makes the next one fresh. It sees the host's network and kernel, the Swift
# that the host has (read only), and nothing else of it, but for what a fetch may need:
#
#   - how git is told to find other repositories (url.*.insteadOf), and the folders that this names,
#   - the certificates that the host trusts, for pip and git,
#   - the variables of a proxy and of pip's index: http_proxy, https_proxy, no_proxy, PIP_INDEX_URL, …
#
# DEVHIVE_DEBIAN_MIRROR: another mirror than debootstrap's own choice.
run_in_debian() {
    local release=$1 root="${state:?}/debian/$1" swift certificates=/etc/ssl/certs/ca-certificates.crt
    local name folders=() variables=()
    shift
    ((EUID == 0)) || fail "--in-debian needs root, for debootstrap and chroot"
    ensure_packages debootstrap
    find_swift
    # Of the library rather than the program, which may be a link or another program's place holder.
    swift=$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)\/lib\/swift".*/\1/p')
    [[ $swift == */usr && $swift != /usr ]] \
        || fail "Swift must be in a folder of its own to be shown to another system, not in ${swift:-no known one}"

    if [[ ! -d $root ]]; then
        say "making a Debian $release in $root"
        rm -rf "$root.new"
        mkdir -p "$state/debian"
        debootstrap --variant=minbase "$release" "$root.new" ${DEVHIVE_DEBIAN_MIRROR:+"$DEVHIVE_DEBIAN_MIRROR"} >&2
        # Services don't start by being installed, and what is unpacked needn't survive a power cut.
        printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d"
        chmod 755 "$root.new/usr/sbin/policy-rc.d"
        echo force-unsafe-io >"$root.new/etc/dpkg/dpkg.cfg.d/fast"
        mv "$root.new" "$root"
    fi

    # The sources as they are now, beside what was built of them before.
    mkdir -p "$root/devhive" "$root/opt/swift/usr"
    find "$root/devhive" -mindepth 1 -maxdepth 1 ! -name '.build*' ! -name .state -exec rm -rf {} +
    tar -C "${repository:?}" --exclude './.build*' --exclude ./.state --exclude ./.git -c . \
        | tar -C "$root/devhive" --no-same-owner -x

    cp /etc/resolv.conf "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    if [[ -f $certificates ]]; then
        cp "$certificates" "$root/etc/host-certificates.crt"
        variables+=(PIP_CERT=/etc/host-certificates.crt GIT_SSL_CAINFO=/etc/host-certificates.crt)
    fi
    git config --get-regexp '^url\..*\.insteadof$' >"$root/etc/gitconfig.host" || true
    : >"$root/etc/gitconfig"
    while read -r name value; do
        git config --file "$root/etc/gitconfig" --add "$name" "$value"
        name=${name#url.}
        name=${name%.insteadof}
        [[ $name != /* || ! -d $name ]] || folders+=("$name")
    done <"$root/etc/gitconfig.host"
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_EXTRA_INDEX_URL; do
        [[ -z ${!name:-} ]] || variables+=("$name=${!name}")
    done

    # The mounts are of a name space that ends with the processes in it, however this script ends.
    export root swift
    # shellcheck disable=SC2016 # The inner shell expands it.
    exec env folders="$(printf '%s\n' "${folders[@]}" | sort -u)" \
        unshare --mount --pid --fork --kill-child bash -euc '
            mount --make-rprivate /
            mount -t proc proc "$root/proc"
            mount --rbind /dev "$root/dev"
            mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
            mount --rbind /sys "$root/sys"
            show() {
                mkdir -p "$root$2"
                mount --bind "$1" "$root$2"
                mount -o remount,bind,ro "$root$2"
            }
            show "$swift" /opt/swift/usr
            while read -r folder; do
                [[ -z $folder ]] || show "$folder" "$folder"
            done <<<"$folders"
            exec chroot "$root" /usr/bin/env -i "$@"
        ' bash HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" \
        /devhive/scripts/test "$@"
}
