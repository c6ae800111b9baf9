#!/bin/sh
# Runs second_client.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" second_client.mjs
