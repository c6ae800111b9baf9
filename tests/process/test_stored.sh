#!/bin/sh
# Runs stored.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" stored.mjs
