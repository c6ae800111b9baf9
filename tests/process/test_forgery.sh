#!/bin/sh
# Runs forgery.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" forgery.mjs
