#!/bin/sh
# Runs restarts.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" restarts.mjs
