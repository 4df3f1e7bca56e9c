#!/bin/sh
# Fetches what the guest is made of, as Debian packages, into .keepmesh/ipvs-guest: a kernel with ip_vs, busybox, ipvsadm.
# Nothing is installed on this machine but QEMU, where it is missing. A second call compares stamps only.
set -eu
cd "$(dirname "$0")/../../.."
state=.keepmesh/ipvs-guest
mkdir -p "$state"
say() { printf 'ipvs guest: %s\n' "$*" >&2; }
fail() { say "$1"; say "next: $2"; exit 69; }

stamp=$(cksum <test/ipvs/guest/packages.sh | tr -d ' ')
[ "$(cat "$state/packages.stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0
command -v apt-get >/dev/null 2>&1 || fail "apt-get is missing" "run on Debian or Ubuntu"
apt-get update -qq >/dev/null 2>&1 || true
if ! command -v qemu-system-x86_64 >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || fail "QEMU is missing" "sudo apt-get install -y --no-install-recommends qemu-system-x86"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 >"$state/apt.log" 2>&1 ||
    fail "QEMU could not be installed (see $state/apt.log)" "apt-get install -y --no-install-recommends qemu-system-x86"
fi
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p' | head -1)
[ -n "$kernel" ] || fail "this machine's package sources have no linux-image-cloud-amd64" "use Debian's package sources"
others="busybox-static ipvsadm libnl-3-200 libnl-genl-3-200 libpopt0"
work=$state/work.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root"
# shellcheck disable=SC2086
(cd "$work" && apt-get download -qq "$kernel" $others 2>&1 | grep -v '^W: ' >&2 || true)
[ "$(ls "$work"/*.deb 2>/dev/null | wc -l)" = 6 ] || fail "the packages could not be had" "apt-get download $kernel $others"
for package in "$work"/*.deb; do
  say "$(basename "$package")"
  dpkg-deb -x "$package" "$work/root"
done
# Networking alone, so that the guest unpacks little.
(
  cd "$work"/root/lib/modules/*/kernel
  mv drivers/net/veth.ko drivers/net/dummy.ko net/
  rm -rf drivers fs sound security mm virt
)
"$work/root/bin/busybox" depmod -b "$work/root" "$(ls "$work/root/lib/modules")"
rm -rf "$state/root"
mv "$work/root" "$state/root"
printf %s "$stamp" >"$state/packages.stamp"
