#!/bin/sh
# Runs import.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" import.mjs
