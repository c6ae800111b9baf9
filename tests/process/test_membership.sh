#!/bin/sh
# Runs membership.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" membership.mjs
