#!/usr/bin/env bash
# bench/flood in short: honest voters beside 1,250 connections that do harm. The bound is generous: the machine may be busy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
exec "$here/bench/flood" --seconds 5 --port 9600 --bound-ms 2000
