#!/bin/bash
# tools/lint must name every kind of fault, with file and line, and must find none in a clean tree.
set -euo pipefail

source_dir=${CONCLAVE_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0
checks=0

# put FILE LINE...: a source file that opens with a comment, so the first LINE is line 2.
put() {
    mkdir -p "$tree/$(dirname "$1")"
    {
        printf '/* A file for the test of the linter. */\n'
        printf '%s\n' "${@:2}"
    } >"$tree/$1"
}

# expect WHAT PATTERN: one line of the output matches.
expect() {
    checks=$((checks + 1))
    if ! grep -qE "$2" <<<"$output"; then
        printf 'FAIL: %s: nothing matches: %s\n' "$1" "$2"
        failed=$((failed + 1))
    fi
}

run() {
    status=0
    output=$("$source_dir/tools/lint" "$tree" 2>&1) || status=$?
}

# A tree in which everything is allowed, with near misses of each rule.
put include/conclave/limits.h 'enum { LIMIT = 1 };'
put src/base/slice.h '#include <conclave/limits.h>'
put src/kv/kv.h '#include "base/slice.h"'
put src/kv/kv_lmdb.h '#include "kv/kv.h"'
put src/kv/kv_lmdb.c '#include <lmdb.h>' '#include "kv/kv_lmdb.h"'
put src/model/model.h '#include "kv/kv.h"' '#include "model/model.h"'
put src/net/net_tcp.c '#include <uv.h>' '#include "base/slice.h"'
put src/consensus/driver.c '#include <raft.h>' '#include "model/model.h"'
put src/daemon/main.c '#include <uv.h>' '#include "kv/kv_lmdb.h"' '#include "consensus/driver.h"'
put src/consensus/driver.h
put src/base/text.c \
    'int n = snprintf(buffer, sizeof buffer, "%d", 1); // not sprintf()' \
    'const char *text = "strcpy(a, b) /* strtok(a, b)";' \
    'char quote = '\''"'\''; int strtokens(void); /* alloca(1)' \
    'gets(line) */ int hundred;' \
    "// $(printf 'é%.0s' {1..97})"
put tools/conclave/main.c '#include "table.h"' '#include "base/slice.h"'
put tools/conclave/table.h
put tests/unit/test_slice.c '#include "support/helper.h"' '#include "tests/support/helper.h"'
put tests/support/helper.h
run
checks=$((checks + 1))
if [[ $status -ne 0 || -n $output ]]; then
    printf 'FAIL: the clean tree: status %d, output:\n%s\n' "$status" "$output"
    failed=$((failed + 1))
fi

# One fault of each kind.
put src/tally/count.c '#include "kv/kv.h"'
put src/model/store.c '#include "kv/kv_lmdb.h"'
put src/base/upward.c '' '  #  include "model/model.h"'
put include/conclave/client.h '#include "base/slice.h"'
put tools/conclave/deep.c '#include "kv/kv.h"'
put src/api/loop.c '#include <uv.h>'
put src/model/database.c '#include <lmdb.h>'
put src/net/core.c '#include <raft.h>'
put src/auth/plain.c '#include "slice.h"'
put src/auth/dots.c '#include "../base/slice.h"'
put src/auth/gone.c '#include "base/gone.h"'
put src/auth/public.c '#include "conclave/limits.h"'
put src/auth/calls.c 'strcpy(a, b);' 'x = sprintf (a, "%d", 1);' 'strtok(a, ",");' 'p = alloca(1);'
put src/newlayer/a.c
put src/base/wide.c "$(printf 'x%.0s' {1..101})"
put src/base/tab.c $'\tint x;'
put src/base/later.c '/* TO''DO: later */' 'int x; // FIX''ME'
mapfile -t many < <(seq -f 'int x%g;' 700)
put src/base/long.c "${many[@]}"
printf 'int x;\n' >"$tree/src/base/silent.c"
mkdir -p "$tree/tests/client"
printf '{ "resolved": "https://registry.example/x.tgz" }\n' >"$tree/tests/client/package-lock.json"
run
expect 'layer to a layer not in its row' '^src/tally/count\.c:2: .*kv/kv\.h.*it may include base'
expect 'only one header of a layer allowed' '^src/model/store\.c:2: .*kv/kv_lmdb\.h'
expect 'base upward, odd spacing' '^src/base/upward\.c:3: .*model/model\.h.*nothing of src/'
expect 'public header on private' '^include/conclave/client\.h:2: .*base/slice\.h'
expect 'command line on a lower layer' '^tools/conclave/deep\.c:2: .*kv/kv\.h'
expect 'uv.h in api' '^src/api/loop\.c:2: <uv\.h> may appear only in src/net src/daemon'
expect 'lmdb.h in model' '^src/model/database\.c:2: <lmdb\.h> may appear only in src/kv src/log'
expect 'raft.h in net' '^src/net/core\.c:2: <raft\.h> may appear only in src/consensus'
expect 'header without folder' '^src/auth/plain\.c:2: .*has no folder'
expect 'header through dots' '^src/auth/dots\.c:2: .*goes through dots'
expect 'header that does not exist' '^src/auth/gone\.c:2: .*is not a file'
expect 'public header in quotes' '^src/auth/public\.c:2: .*write <conclave/limits\.h>'
expect 'strcpy' '^src/auth/calls\.c:2: strcpy\(\) is forbidden'
expect 'sprintf' '^src/auth/calls\.c:3: sprintf\(\) is forbidden'
expect 'strtok' '^src/auth/calls\.c:4: strtok\(\) is forbidden'
expect 'alloca' '^src/auth/calls\.c:5: alloca\(\) is forbidden'
expect 'folder without a row' '^src/newlayer/a\.c:1: .*no row'
expect 'line length' '^src/base/wide\.c:2: the line has 101 columns'
expect 'tab' '^src/base/tab\.c:2: a tab'
expect 'promise' '^src/base/later\.c:2: the word TO''DO'
expect 'another promise' '^src/base/later\.c:3: the word FIX''ME'
expect 'file length' '^src/base/long\.c:701: the file has 701 lines'
expect 'no opening comment' '^src/base/silent\.c:1: .*does not open with a comment'
expect 'registry in a lock file' '^tests/client/package-lock\.json:1: an address of a package registry'
expect 'count of faults: none but these' 'tools/lint: 24 faults'
checks=$((checks + 1))
if [[ $status -ne 1 ]]; then
    printf 'FAIL: exit status %d for a tree with faults, expected 1\n' "$status"
    failed=$((failed + 1))
fi

printf 'test_lint: %d checks, %d failed\n' "$checks" "$failed"
if [[ $failed -gt 0 ]]; then
    printf '%s\n' "$output"
    exit 1
fi
