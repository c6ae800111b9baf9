#!/bin/bash
# What `cmake --install` makes must work from where it lies: a C program is built from the installed tree alone by pkg-config, and every
# man page, completion and unit is in the folder where people's systems look for it.
set -euo pipefail

build=${CONCLAVE_BIN_DIR:?give the build directory in CONCLAVE_BIN_DIR}
source_dir=${CONCLAVE_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
if grep -qE '^CONCLAVE_(SANITIZE:STRING=.|COVERAGE:BOOL=ON)' "$build/CMakeCache.txt"; then
    echo "an instrumented build is not installed"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/first" >"$work/install.log" || {
    cat "$work/install.log"
    exit 1
}
mv "$work/first" "$work/moved" # nothing but the unit may depend on the place
prefix=$work/moved
failed=0

fail() {
    printf 'FAIL: %s\n' "$*"
    failed=1
}

for program in conclave conclaved; do
    "$prefix/bin/$program" --help >/dev/null </dev/null || fail "$program --help ends with status $?"
    "$prefix/bin/$program" --version </dev/null | grep -qF "$(sed -n 's/^ *VERSION \([0-9.]*\)$/\1/p' "$source_dir/CMakeLists.txt")" ||
        fail "$program --version does not say the version of CMakeLists.txt"
done

for page in "$source_dir"/docs/man/*.[1-8]; do
    installed=$prefix/share/man/man${page##*.}/${page##*/}
    cmp -s "$page" "$installed" || fail "$installed is not $page"
done
for pair in conclave.bash:bash-completion/completions/conclave _conclave:zsh/site-functions/_conclave \
    conclave.fish:fish/vendor_completions.d/conclave.fish; do
    cmp -s "$source_dir/tools/completions/${pair%%:*}" "$prefix/share/${pair#*:}" ||
        fail "share/${pair#*:} is not tools/completions/${pair%%:*}"
done

unit=$prefix/lib/systemd/system/conclaved.service
grep -qxF "ExecStart=$work/first/bin/conclaved --config /etc/conclave/conclaved.ini" "$unit" ||
    fail "the unit does not start the installed program: $(grep -F ExecStart= "$unit")"
grep -qE '@[A-Z_]+@' "$unit" && fail "the unit has a placeholder left"
[[ -f $prefix/lib/sysusers.d/conclave.conf ]] || fail "the unit's user is not declared"

# A client that only has the installed tree. The port is one where nothing listens.
cat >"$work/client.c" <<'C'
#include <conclave/client.h>
#include <stdio.h>
/* Names that the library uses inside; they must not meet. */
int buffer_init(void);
int buffer_init(void) { return 0; }

int main(void)
{
    const char *endpoints[] = {"127.0.0.1:1"};
    struct conclave_options options = {.endpoints = endpoints, .endpoint_count = 1, .timeout_ms = 300};
    struct conclave_client *client;
    struct conclave_bytes answer;
    if (conclave_open(&options, &client) != CONCLAVE_OK)
        return 1;
    enum conclave_code code = conclave_query(client, "status", NULL, 0, &answer);
    puts(conclave_code_name(code));
    conclave_close(client);
    return buffer_init();
}
C
pc_dir=$(dirname "$(find "$prefix" -name conclave.pc)")
read -ra flags <<<"$(PKG_CONFIG_PATH=$pc_dir pkg-config --cflags --libs conclave)"
"${CC:-gcc}" -std=c17 -Wall -Wextra -Werror -o "$work/client" "$work/client.c" "${flags[@]}" ||
    fail "a client does not build with: ${flags[*]}"
answer=$("$work/client") || fail "the client ends with status $?"
[[ $answer = unreachable ]] || fail "the client says '$answer', expected 'unreachable'"

strange=$(nm -g --defined-only "$(find "$prefix" -name libconclave.a)" | awk 'NF == 3 && $3 !~ /^conclave_/ { print $3 }')
[[ -z $strange ]] || fail "libconclave.a exports names that are not conclave_*: $strange"

exit "$failed"
