#!/bin/bash
# The systemd unit's sandbox: how much it exposes, and that a cluster of three nodes with TLS works in it. systemd itself need not run: the
# nodes are started by support/sandbox.c under the very system calls that the unit names, as a user who is nobody, on a system
# that is read-only but for their directory. A call outside the filter ends a node.
# shellcheck disable=SC2317 # functions are called by `check`
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/check.sh"

source_dir=${CONCLAVE_SOURCE_DIR:?where the repository is}
bin=${CONCLAVE_BIN_DIR:?where the programs are}
unset CONCLAVE_ENDPOINTS CONCLAVE_KEY NOTIFY_SOCKET
for program in systemd-analyze cc setpriv; do
    type -P "$program" >/dev/null || { printf 'skipped: there is no %s\n' "$program"; exit 77; }
done
work=$(mktemp -d)
chmod 755 "$work"
base=$((22000 + RANDOM % 8000))
as=()
cluster() { "${as[@]}" env HOME="$work/home" CONCLAVE_BIN_DIR="$work/bin" "$work/cluster/local" --dir "$work/home/cluster" --port "$base" "$@"; }
finish() {
    cluster down >"$work/down.log" 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

# --- the unit, by systemd's own measure ---

mkdir "$work/unit"
sed "s|@BINDIR@|/usr/bin|g" "$source_dir/cluster/conclaved.service" >"$work/unit/conclaved.service"
systemd-analyze security --offline=true --no-pager "$work/unit/conclaved.service" >"$work/security.log" 2>&1 || true
exposure=$(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' "$work/security.log")
printf 'exposure level %s\n' "$exposure"
at_most_3() { awk -v level="$exposure" 'BEGIN { exit !(level != "" && level + 0 <= 3.0) }'; }
check "the unit exposes 3.0 at most" at_most_3

# --- its system calls, as numbers ---

expand() { # NAME... -> system calls, sets opened
    local name
    for name; do
        if [[ $name == @* ]]; then
            # shellcheck disable=SC2046 # words are names
            expand $(systemd-analyze syscall-filter "$name" | sed -n 's/^ *\([-@a-z0-9_]*\)$/\1/p' | grep -vxF "$name")
        else
            printf '%s\n' "$name"
        fi
    done
}
: >"$work/calls"
while read -r line; do
    if [[ $line == "~"* ]]; then
        # shellcheck disable=SC2086
        expand ${line#"~"} | sort -u >"$work/less"
        grep -vxFf "$work/less" "$work/calls" >"$work/left"
        mv "$work/left" "$work/calls"
    else
        # shellcheck disable=SC2086
        expand $line >>"$work/calls"
    fi
done < <(sed -n 's/^SystemCallFilter=//p' "$work/unit/conclaved.service")
# RestrictNamespaces=yes takes two more away.
sort -u "$work/calls" | grep -vxE 'unshare|setns' | sed 's/.*/#ifdef __NR_&\n    __NR_&,\n#endif/' >"$work/allowed.inc"
cc -std=gnu17 -Wall -O1 -DALLOWED="\"$work/allowed.inc\"" -o "$work/sandbox" "$source_dir/tests/process/support/sandbox.c"
cut_off() { # 159: by SIGSYS
    local status=0
    bash -c '"$0" "$1" --user true' "$work/sandbox" "$(type -P unshare)" 2>"$work/cut.err" || status=$?
    [[ $status = 159 ]] || { printf '  exit %s: %s\n' "$status" "$(cat "$work/cut.err")"; return 1; }
}
check "a call outside the filter ends a process" cut_off

# --- a cluster in it ---

mkdir "$work/bin" "$work/home" "$work/cluster"
cp "$bin/conclave" "$work/bin/conclave"
cp "$bin/conclaved" "$work/bin/conclaved.real"
cp "$source_dir/cluster/local" "$work/cluster/local"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$work/sandbox" "$work/bin/conclaved.real" >"$work/bin/conclaved"
chmod 755 "$work/bin"/* "$work/sandbox" "$work/cluster/local"
if [[ $(id -u) = 0 ]]; then
    chown 65534:65534 "$work/home"
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    # shellcheck disable=SC2016 # for the inner shell
    read_only='mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
    if unshare --mount bash -c "$read_only" "$work/home" true 2>/dev/null; then
        as=(unshare --mount bash -c "$read_only" "$work/home" "${as[@]}")
    else
        printf 'not tried: a read-only system (no mount namespaces here)\n'
    fi
fi
check "three nodes come up" cluster up --nodes 3 --tls >"$work/up.log"
cat "$work/up.log"
conclave() { # ARGUMENTS...
    (eval "$(cluster env)" && "${as[@]}" env HOME="$work/home" CONCLAVE_ENDPOINTS="${CONCLAVE_ENDPOINTS-}" CONCLAVE_KEY="${CONCLAVE_KEY-}" \
        CONCLAVE_TLS_CA="${CONCLAVE_TLS_CA-}" CONCLAVE_TLS_CERTIFICATE="${CONCLAVE_TLS_CERTIFICATE-}" CONCLAVE_TLS_KEY="${CONCLAVE_TLS_KEY-}" \
        "$work/bin/conclave" "$@")
}
confined() { # NODE
    local status
    status=$(cat "/proc/$(cat "$work/home/cluster/node$1.pid")/status")
    grep -q '^Seccomp:[[:space:]]*2' <<<"$status" && grep -q '^NoNewPrivs:[[:space:]]*1' <<<"$status" &&
        grep -q '^CapEff:[[:space:]]*0*$' <<<"$status" && ! grep -q '^Uid:[[:space:]]*0' <<<"$status"
}
for n in 1 2 3; do
    check "node $n is confined, and nobody" confined "$n"
done
check "a poll opens" conclave poll open p --title P --for 1h --question 'q,title=Is this well?' --policy simple-majority
check "a ballot is cast" conclave vote p q=yes --yes
check "it is counted" conclave tally p
check "a receipt is final" conclave receipt p --out "$work/home/receipt"
check "health is served" curl -sf -o "$work/page" "http://127.0.0.1:$((base + 201))/metrics"
kill -HUP "$(cat "$work/home/cluster/node2.pid")"
reloaded() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        grep -q 'the log file was reopened' "$work/home/cluster/node2.log" && return 0
        sleep 0.1
    done
    return 1
}
check "SIGHUP is heeded" reloaded
check "a node is killed" cluster kill 1 >/dev/null
check "and comes back" cluster restart 1 >/dev/null
check "a member is admitted after that" conclave member update chair --name still-the-chair
check "the cluster stops" cluster down
denied() { ! grep -liE 'operation not permitted|bad system call|permission denied' "$work"/home/cluster/node?.log "$work"/home/cluster/node?.err; }
check "nothing was denied" denied
[[ $failures = 0 ]] || tail -n 5 "$work"/home/cluster/node?.err "$work"/home/cluster/node?.log
printf '%s failed\n' "$failures"
exit "$((failures > 0))"
