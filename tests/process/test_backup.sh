#!/bin/sh
# Runs backup.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" backup.mjs
