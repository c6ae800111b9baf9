#!/bin/bash
# Three minutes of chaos: one of three nodes, two of five. The seed is chance: the first line of each run says which it was.
set -euo pipefail

directory=$(dirname "${BASH_SOURCE[0]}")
"$directory/run" --nodes 3 --minutes 1
"$directory/run" --nodes 5 --minutes 2
