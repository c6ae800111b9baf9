#!/bin/sh
# Runs top.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" top.mjs
