#!/bin/sh
# npm run cluster -- up|down|status|kubectl|node-down|node-up|load-image: what `up` needs is installed and built first.
set -eu
cd "$(dirname "$0")/.."
[ -x .keepmesh/node ] && [ -x .keepmesh/envoy ] || sh scripts/setup.sh dev
case " $* " in
  *" --dry-run "*) ;;
  " up "*)
    sh scripts/setup-cluster.sh
    sh scripts/build-kubernetes.sh
    ;;
esac
NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$PWD/.keepmesh/compile-cache}" exec .keepmesh/node --no-warnings cluster/main.ts "$@"
