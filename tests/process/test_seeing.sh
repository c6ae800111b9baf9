#!/bin/sh
# Runs seeing.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" seeing.mjs
