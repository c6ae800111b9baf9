#!/bin/sh
# Runs operations.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" operations.mjs
