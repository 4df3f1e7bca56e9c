#!/bin/sh
# Builds the peers of the layer-4 tests (kube-apiserver, etcd, kube-proxy) from their published Go modules, as one program:
# .keepmesh/kubernetes/kubernetes. Minutes the first time; seconds when it is there.
set -eu
cd "$(dirname "$0")/.."
out=$PWD/.keepmesh/kubernetes
stamp=$(cat test/kubernetes/main.go test/kubernetes/go.mod test/kubernetes/go.sum | cksum | tr -d ' ')
[ -x "$out/kubernetes" ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0

say() { printf 'keepmesh kubernetes: %s\n' "$*" >&2; }
PATH=$PATH:/usr/local/go/bin
# Any Go from 1.21 on fetches the version that go.mod asks for.
new_enough() { go version 2>/dev/null | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])'; }
if ! new_enough; then
  line="apt-get update && apt-get install -y golang-go"
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && {
    say "installing Go"
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go ca-certificates >/dev/null 2>&1 || true
  }
  new_enough || { say "needs Go 1.21 or newer"; say "next: sudo sh -c '$line'"; exit 69; }
fi
version=$(sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\)$|\1|p' test/kubernetes/go.mod)
minor=${version#v1.}
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
say "building Kubernetes $version (some minutes the first time)"
mkdir -p "$out"
(cd test/kubernetes && CGO_ENABLED=0 nice -n 10 go build -p 2 -trimpath -buildvcs=false -ldflags "$flags" -o "$out/kubernetes.new" .)
mv "$out/kubernetes.new" "$out/kubernetes"
for name in etcd kube-apiserver kube-proxy; do ln -sfn kubernetes "$out/$name"; done
printf %s "$stamp" >"$out/stamp"
