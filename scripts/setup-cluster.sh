#!/bin/sh
# Installs what the nodes of a test cluster run and have in their images, by the package manager, where it is missing. No daemon
# is started: each node starts its own.
set -eu
missing=
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }
for pair in containerd:containerd ctr:containerd runc:runc ip:iproute2 nsenter:util-linux nft:nftables conntrack:conntrack \
  curl:curl tc:iproute2 iptables:iptables keepalived:keepalived tcpdump:tcpdump; do
  have "${pair%%:*}" || missing="$missing ${pair#*:}"
done
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing="$missing containernetworking-plugins"
have busybox || missing="$missing busybox-static"
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
[ -z "$missing" ] && exit 0

say() { printf 'keepmesh cluster: %s\n' "$*" >&2; }
line="apt-get update && apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  say "needs$missing"
  say "next: sudo sh -c '$line'"
  exit 69
fi
say "installing$missing"
log=$(mktemp)
# On a machine with a service manager the package would start its daemon.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; trap 'rm -f "$policy"' EXIT; }
apt-get update -qq >/dev/null 2>&1 || true
# shellcheck disable=SC2086
if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1; then
  say "apt-get could not install$missing (see $log)"
  say "next: $line"
  exit 69
fi
rm -f "$log"
