#!/bin/bash
# What is deployed: the Debian packages are built and looked into, the programs in them run from where they were unpacked, the systemd unit
# and the container and Kubernetes files pass their own validators.
set -euo pipefail

build=${CONCLAVE_BIN_DIR:?give the build directory in CONCLAVE_BIN_DIR}
source_dir=${CONCLAVE_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
export CONCLAVE_SOURCE_DIR=$source_dir
if grep -qE '^CONCLAVE_(SANITIZE:STRING=.|COVERAGE:BOOL=ON)' "$build/CMakeCache.txt"; then
    echo "an instrumented build is not packed"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    printf 'FAIL: %s\n' "$*"
    failed=1
}

# --- The packages ---

cpack --config "$build/CPackConfig.cmake" -B "$work/packages" >"$work/cpack.log" 2>&1 || {
    cat "$work/cpack.log"
    exit 1
}
package=$(echo "$work"/packages/conclave_*.deb)
development=$(echo "$work"/packages/libconclave-dev_*.deb)
version=$(sed -n 's/^ *VERSION \([0-9.]*\)$/\1/p' "$source_dir/CMakeLists.txt")
[[ $(dpkg-deb -f "$package" Version) = "$version" ]] || fail "the package's version is not $version"

dpkg-deb -x "$package" "$work/unpacked"
dpkg-deb -e "$package" "$work/control"
dpkg-deb -x "$development" "$work/development"
for program in conclave conclaved; do
    "$work/unpacked/usr/bin/$program" --version </dev/null | grep -qF "$version" || fail "$program does not run"
    # Every library that it asks for comes with a package that is depended on.
    while read -r library; do
        owner=$(dpkg-query -S "*/$library" 2>/dev/null | sed -n '1s/:.*//p')
        dpkg-deb -f "$package" Depends | grep -qwF -- "$owner" || fail "$program needs $library of $owner, which is no dependency"
    done < <(objdump -p "$work/unpacked/usr/bin/$program" | awk '$1 == "NEEDED" && $2 !~ /^ld-linux/ { print $2 }')
done
unit=$work/unpacked/usr/lib/systemd/system/conclaved.service
for file in "$unit" "$work/unpacked/usr/lib/sysusers.d/conclave.conf" "$work/unpacked/usr/share/man/man8/conclaved.8.gz" \
    "$work/unpacked/usr/share/man/man1/conclave.1.gz" "$work/unpacked/usr/share/doc/conclave/copyright" \
    "$work/unpacked/usr/share/doc/conclave/examples/prometheus/rules.yml" \
    "$work/development/usr/include/conclave/client.h" "$work/development/usr/lib/pkgconfig/conclave.pc"; do
    [[ -s $file ]] || fail "there is no ${file#"$work"/}"
done
[[ $(cat "$work/control/conffiles") = /etc/conclave/conclaved.ini ]] || fail "the configuration is no conffile"
for script in postinst prerm postrm; do
    if ! [[ -x $work/control/$script ]] || ! sh -n "$work/control/$script"; then
        fail "$script is no script"
    fi
done
# Filled in as its comments say, it is a configuration.
sed -e 's/^;id = 1/id = 1/' -e "s|^data_dir = .*|data_dir = $work/data|" -e 's/^;address/address/' \
    "$work/unpacked/etc/conclave/conclaved.ini" >"$work/conclaved.ini"
"$work/unpacked/usr/bin/conclaved" --config "$work/conclaved.ini" --check-config || fail "the packed configuration is refused"

# --- The unit ---

if command -v systemd-analyze >/dev/null; then
    mkdir -p "$work/unit"
    sed "s|/usr/bin/conclaved|$work/unpacked/usr/bin/conclaved|" "$unit" >"$work/unit/conclaved.service"
    systemd-analyze verify --man=no "$work/unit/conclaved.service" >"$work/verify.log" 2>&1 || fail "systemd-analyze: $(cat "$work/verify.log")"
fi

# --- Container and Kubernetes files ---

check=$source_dir/tests/process/deploy-check
if ! [ "$check/node_modules/.package-lock.json" -nt "$check/package-lock.json" ]; then
    (cd "$check" && npm ci --silent --no-progress && touch node_modules/.package-lock.json)
fi
node --test "$check/check.mjs" >"$work/check.log" 2>&1 || {
    cat "$work/check.log"
    fail "container or Kubernetes files"
}
# Every flag that they give to conclaved is one.
while read -r flag; do
    "$work/unpacked/usr/bin/conclaved" --help </dev/null | grep -qE -- "^ +--$flag( |$)" || fail "conclaved has no flag --$flag"
done < <(grep -hoE -- '--(node-id|bootstrap|listen|http|tls)[a-z-]*' "$source_dir"/cluster/container/compose?.yml \
    "$source_dir/cluster/kubernetes/conclave.yaml" | sed 's/^--//' | sort -u)

exit "$failed"
