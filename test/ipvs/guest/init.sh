#!/bin/busybox sh
# First program of the guest: mounts what is needed, runs the tests, says how they ended, stops the machine.
/bin/busybox --install -s /bin
export NO_COLOR=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LD_LIBRARY_PATH=/lib/x86_64-linux-gnu
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns /dev/shm
ip link set lo up
read -r up _ </proc/uptime
echo "guest: up after $up s"
cd /work || poweroff -f
# shellcheck disable=SC2046
timeout -s KILL "$(cat seconds)" node --no-warnings --import=/work/load-stripped.js --test --test-isolation=none --test-force-exit --test-reporter=tap $(cat tests)
code=$?
read -r up _ </proc/uptime
echo "guest: ended with $code after $up s"
poweroff -f
