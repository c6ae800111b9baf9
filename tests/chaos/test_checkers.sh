#!/bin/sh
# Runs checkers.mjs by Node.js's own test runner.
exec "$(dirname "$0")/../process/support/node-test" ../chaos/checkers.mjs
