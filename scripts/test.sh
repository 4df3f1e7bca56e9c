#!/bin/sh
# Sets up, then runs the tests. With file names: only those. With --golden: rewrites the golden files.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$PWD/.keepmesh/compile-cache}"
if [ "${1:-}" = --golden ]; then
  shift
  export KEEPMESH_GOLDEN=rewrite
  set -- "test/golden/**/*.test.ts"
fi
[ $# -gt 0 ] || set -- "src/**/*.test.ts" "scripts/**/*.test.ts" "cluster/**/*.test.ts" "test/**/*.test.ts"
exec .keepmesh/node --no-warnings --test --test-concurrency=2 --test-timeout=120000 --test-reporter=spec "$@"
