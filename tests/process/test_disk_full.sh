#!/bin/bash
# Runs disk_full.mjs by Node.js's own test runner, in a mount namespace of its own: its disks go with it.
set -eu
directory=$(dirname "$0")
as=(unshare --mount --propagation private)
if [ "$(id -u)" -ne 0 ]; then
    as=(unshare --map-root-user --mount --propagation private)
fi
if ! "${as[@]}" true 2>/dev/null; then
    echo "test_disk_full: skipped: this kernel or container does not let us make mount namespaces" >&2
    exit 77
fi
exec "${as[@]}" "$directory/support/node-test" disk_full.mjs
