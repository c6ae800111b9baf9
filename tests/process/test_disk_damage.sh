#!/bin/sh
# Runs disk_damage.mjs by Node.js's own test runner.
exec "$(dirname "$0")/support/node-test" disk_damage.mjs
