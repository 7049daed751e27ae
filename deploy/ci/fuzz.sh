#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the project for FUZZTIME each and says what it ran.
set -euo pipefail
: "${FUZZTIME:=30s}"
ran=0
while IFS=: read -r file target; do
  room=./$(dirname "$file")
  echo "fuzz $room $target for $FUZZTIME"
  go test -run '^$' -fuzz "^${target}\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x "$room"
  ran=$((ran + 1))
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //')
echo "$ran fuzz targets passed, $FUZZTIME each"
test "$ran" -gt 0
