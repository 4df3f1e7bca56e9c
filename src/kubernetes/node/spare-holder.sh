#!/bin/sh
# The container in whose control group the node's spare Envoy lives, so that it outlives the container of the agent: started and
# ended by the agent, it is only put here. When the pod ends, this waits until the agent has taken the spare out of the pods' way.

ending=
trap 'ending=1' TERM INT
while [ -z "$ending" ]; do
	sleep 2147483647 &
	wait $!
done
kill $! 2>/dev/null
wait $! 2>/dev/null

group=/sys/fs/cgroup/cgroup.procs
[ -r "$group" ] || group=/sys/fs/cgroup/pids/cgroup.procs

holds_one() {
	while read -r pid; do
		[ "$pid" = $$ ] || return 0
	done <"$group"
	return 1
}

left=100
while [ -r "$group" ] && [ $left -gt 0 ] && holds_one; do
	left=$((left - 1))
	sleep 0.2
done
