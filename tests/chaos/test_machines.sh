#!/bin/sh
# Runs machines.mjs by Node.js's own test runner, in namespaces of its own.
directory=$(dirname "$0")
exec "$directory/inside" node --test "$directory/machines.mjs"
