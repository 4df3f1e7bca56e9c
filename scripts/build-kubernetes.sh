#!/bin/sh
# Builds what tests meet of Kubernetes from published Go modules, into .keepmesh/kubernetes: etcd, the control plane, kubelet,
# kube-proxy and kubectl as one program (`kubernetes`, a link for each), CoreDNS, the pause program of pods, and Helm.
# Minutes the first time; nothing to do when they are there. KEEPMESH_GO_JOBS: compilers at once (2).
set -eu
cd "$(dirname "$0")/.."
out=$PWD/.keepmesh/kubernetes
sources=test/kubernetes
programs="etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl"

say() { printf 'keepmesh kubernetes: %s\n' "$*" >&2; }
stamp_of() { cat "$@" | cksum | tr -d ' '; }
is_built() { [ -x "$out/$1" ] && [ "$(cat "$out/$1.stamp" 2>/dev/null || true)" = "$2" ]; }
kubernetes=$(stamp_of "$sources/main.go" "$sources/go.mod" "$sources/go.sum")
pause=$(stamp_of "$sources/pause/main.go")
coredns=$(stamp_of "$sources/coredns/main.go" "$sources/coredns/go.mod" "$sources/coredns/go.sum")
helm=$(stamp_of "$sources/helm/go.mod" "$sources/helm/go.sum")
is_built kubernetes "$kubernetes" && is_built pause "$pause" && is_built coredns "$coredns" && is_built helm "$helm" && exit 0

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

# build NAME STAMP DIRECTORY PACKAGE FLAGS
build() {
  is_built "$1" "$2" && return 0
  say "building $1"
  (cd "$3" && CGO_ENABLED=0 nice -n 10 go build -p "${KEEPMESH_GO_JOBS:-2}" -trimpath -buildvcs=false -ldflags "$5" -o "$out/$1.new" "$4") &&
    mv "$out/$1.new" "$out/$1" && printf %s "$2" >"$out/$1.stamp"
}
mkdir -p "$out"
version=$(sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\)$|\1|p' "$sources/go.mod")
minor=${version#v1.}
package=k8s.io/component-base/version
helm_version=$(sed -n 's|.*helm.sh/helm/v4 \(v[0-9.]*\).*|\1|p' "$sources/helm/go.mod" | head -n 1)
say "Kubernetes $version, CoreDNS and Helm $helm_version (some minutes the first time)"
build kubernetes "$kubernetes" "$sources" . "-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
build pause "$pause" "$sources" ./pause "-s -w"
build coredns "$coredns" "$sources/coredns" . "-s -w"
# Clusters run without it: only installing does not.
build helm "$helm" "$sources/helm" helm.sh/helm/v4/cmd/helm "-s -w -X helm.sh/helm/v4/internal/version.version=$helm_version" ||
  say "Helm could not be built: what needs it is skipped"
for name in $programs; do ln -sfn kubernetes "$out/$name"; done
