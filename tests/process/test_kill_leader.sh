#!/bin/sh
# Runs kill_leader.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" kill_leader.mjs
