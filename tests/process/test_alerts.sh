#!/bin/sh
# Runs alerts.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" alerts.mjs
