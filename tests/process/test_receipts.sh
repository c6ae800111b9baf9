#!/bin/sh
# Runs receipts.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" receipts.mjs
