#!/bin/sh
# Sets up, then runs the tests: first those that count what users lose or wait under load, which have the machine for themselves;
# when they pass all others, two files at a time. With file names: only those. With --golden: rewrites the golden files.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$PWD/.keepmesh/compile-cache}"
if [ "${1:-}" = --golden ]; then
  shift
  export KEEPMESH_GOLDEN=rewrite
  set -- "test/golden/**/*.test.ts"
fi
run() {
  files_at_once=$1
  shift
  exec .keepmesh/node --no-warnings --test --test-concurrency="$files_at_once" --test-timeout=120000 --test-reporter=spec "$@"
}
if [ $# = 0 ]; then
  (run 1 "src/**/*.load.test.ts" "test/**/*.load.test.ts")
  not_load='!(*.load).test.ts'
  set -- "src/**/$not_load" "scripts/**/$not_load" "cluster/**/$not_load" "test/**/$not_load"
fi
run 2 "$@"
