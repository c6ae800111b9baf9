#!/bin/sh
# Runs tls.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" tls.mjs
