#!/bin/sh
# The tests against a real Kubernetes cluster: started once, removed at the end, also when they fail. With file names: only those.
# KEEPMESH_CLUSTER=NAME runs them against one that is up already (npm run cluster -- up --name NAME), and leaves it up.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
if [ -z "${KEEPMESH_CLUSTER:-}" ]; then
  export KEEPMESH_CLUSTER=kmtest
  # shellcheck disable=SC2154
  trap 'code=$?; [ "$code" = 0 ] || logs=--keep-logs; sh scripts/cluster.sh down --name kmtest ${logs:-}; exit "$code"' EXIT
  trap 'exit 130' INT TERM HUP
  sh scripts/cluster.sh up --name kmtest --nodes 2
fi
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$PWD/.keepmesh/compile-cache}"
[ $# -gt 0 ] || set -- "test/kubernetes/*.test.ts"
.keepmesh/node --no-warnings --test --test-concurrency=1 --test-timeout=600000 --test-reporter=spec "$@"
