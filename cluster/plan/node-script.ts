// The script of a node's first process. It runs in new mount, PID, UTS, IPC and cgroup namespaces and in the node's network
// namespace: it makes the node's own root, /proc, /sys, /run and /tmp, then keeps containerd, kubelet and kube-proxy running.
// The machine's own files, mounts and sysctls stay as they are.

import type { CgroupHierarchy } from "./cgroup-directories.ts";
import { apiPort, type ClusterShape, type NodeShape } from "./cluster-shape.ts";
import { containerdSocket, kubernetesDirectory } from "./node-files.ts";
import type { NodeOptions } from "./node-options.ts";
import { quote } from "./start-script.ts";

export interface NodePaths {
	/** The node's own directory on this machine: `containerd`, `kubelet`, `pods`, `logs`, `etc`, `overlay`, `root`. */
	readonly directory: string;
	/** Directory of the Kubernetes programs. */
	readonly programs: string;
	/** Directory of the CNI plug-ins of the distribution. */
	readonly cniPlugins: string;
}

const programsInNode = "/opt/kubernetes";

export function renderNodeScript(
	cluster: ClusterShape,
	node: NodeShape,
	hierarchies: readonly CgroupHierarchy[],
	paths: NodePaths,
	options: NodeOptions,
): string {
	const labels = `topology.kubernetes.io/region=${cluster.region},topology.kubernetes.io/zone=${node.zone}`;
	const kubelet = [
		`${programsInNode}/kubelet`,
		`--config=${kubernetesDirectory}/kubelet.yaml`,
		`--kubeconfig=${kubernetesDirectory}/kubelet.kubeconfig`,
		`--hostname-override=${node.name}`,
		`--node-ip=${node.ip}`,
		`--node-labels=${labels}`,
		...options.kubeletArgs,
	];
	const proxy = [`${programsInNode}/kube-proxy`, `--config=${kubernetesDirectory}/kube-proxy.yaml`];
	return `#!/bin/bash
# Node ${node.name} (${node.ip}), pods ${node.podNetwork}.
set -euo pipefail
D=${quote(paths.directory)} R=${quote(`${paths.directory}/root`)}
hostname ${node.name}
mount --make-rprivate /

# Its root: this machine's, with changes kept in memory.
mount -t tmpfs -o size=512m node-overlay "$D/overlay"
mkdir "$D/overlay/upper" "$D/overlay/work"
mount -t overlay -o "lowerdir=/,upperdir=$D/overlay/upper,workdir=$D/overlay/work" overlay "$R"
mount -t proc proc "$R/proc"
mount -t sysfs sysfs "$R/sys"
mount -t tmpfs -o mode=755 tmpfs "$R/sys/fs/cgroup"
${hierarchies.map(mountOf).join("\n")}
mount --rbind /dev "$R/dev"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"

# What must be on a disk, or be seen from outside. An overlay cannot hold containerd's overlays.
for place in containerd:/var/lib/containerd kubelet:/var/lib/kubelet pods:/var/log/pods logs:/var/log/node etc:${kubernetesDirectory}; do
  mkdir -p "$R\${place#*:}"
  mount --bind "$D/\${place%%:*}" "$R\${place#*:}"
done
mkdir -p "$R${programsInNode}" "$R/opt/cni/bin" "$R/etc/cni/net.d" "$R/var/log/containers" "$R/run/sysctl" "$R/old"
mount --bind ${quote(paths.programs)} "$R${programsInNode}"
${options.share.map((path) => `mkdir -p "$R"${quote(path)}; mount --rbind ${quote(path)} "$R"${quote(path)}`).join("\n")}
# The kubelet insists on these settings of the whole machine: it sees what it wants, the machine keeps its own.
for setting in vm/overcommit_memory:1 kernel/panic_on_oops:1 kernel/panic:10; do
  file=$R/run/sysctl/\${setting##*:}
  echo "\${setting##*:}" >"$file"
  mount --bind "$file" "$R/proc/sys/\${setting%%:*}"
done

cd "$R"
pivot_root . old
umount -l /old
rmdir /old
mount --make-rshared /
cp -a ${quote(paths.cniPlugins)}/. /opt/cni/bin/
rm -f /etc/cni/net.d/*
cp ${kubernetesDirectory}/pods.conflist /etc/cni/net.d/10-pods.conflist
exec </dev/null >>/var/log/node/init.log 2>&1

# Starts a daemon again whenever it ends.
keep() {
  local name=$1
  shift
  while :; do
    "$@" >>"/var/log/node/$name.log" 2>&1 || true
    echo "$name ended"
    sleep 0.5
  done &
}
keep containerd containerd --config ${kubernetesDirectory}/containerd.toml
# A kubelet that meets no API server waits seconds before it asks again.
for _ in $(seq 200); do
  [ ! -S ${containerdSocket} ] || ! curl -sfk -m 2 -o /dev/null https://${cluster.controlPlane.ip}:${apiPort}/readyz || break
  sleep 0.05
done
keep kubelet ${kubelet.map(quote).join(" ")}
${options.kubeProxy ? `keep kube-proxy ${proxy.map(quote).join(" ")}` : "# No kube-proxy."}
while :; do wait || true; done
`;
}

function mountOf({ directory, mountOptions }: CgroupHierarchy): string {
	const place = `"$R/sys/fs/cgroup/${directory}"`;
	const mount = mountOptions === undefined ? "mount -t cgroup2 cgroup2" : `mount -t cgroup -o ${mountOptions} cgroup`;
	return `mkdir ${place} && ${mount} ${place}`;
}

/** What starts that script, in the node's cgroups and network namespace already. It dies with what it started. */
export function nodeCommand(script: string): readonly string[] {
	const namespaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup"];
	return ["unshare", ...namespaces, "--fork", "--kill-child", "bash", script];
}
