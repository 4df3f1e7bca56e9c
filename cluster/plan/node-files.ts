// The configuration files of one node, as the daemons in it read them below /etc/kubernetes, /etc/containerd and /etc/cni/net.d.
// JSON is YAML, so what Kubernetes reads as YAML is written as JSON.

import { pauseImage } from "../images/image-names.ts";
import { type ClusterShape, clusterDomain, type NodeShape } from "./cluster-shape.ts";

export const kubernetesDirectory = "/etc/kubernetes";
export const containerdSocket = "/run/containerd/containerd.sock";

export interface NodeFile {
	/** Within the directory that becomes the node's /etc/kubernetes. */
	readonly name: string;
	readonly text: string;
}

export function planNodeFiles(cluster: ClusterShape, node: NodeShape): readonly NodeFile[] {
	return [
		{ name: "kubelet.yaml", text: json(kubeletConfiguration(cluster)) },
		{ name: "kube-proxy.yaml", text: json(proxyConfiguration(cluster, node)) },
		{ name: "pods.conflist", text: json(podNetwork(node)) },
		{ name: "containerd.toml", text: containerdConfiguration },
		{ name: "resolv.conf", text: "nameserver 127.0.0.53\n" },
	];
}

const json = (value: object): string => `${JSON.stringify(value, null, "\t")}\n`;

// https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
function kubeletConfiguration(cluster: ClusterShape): object {
	return {
		apiVersion: "kubelet.config.k8s.io/v1beta1",
		kind: "KubeletConfiguration",
		authentication: {
			anonymous: { enabled: false },
			webhook: { enabled: true },
			x509: { clientCAFile: `${kubernetesDirectory}/ca.crt` },
		},
		authorization: { mode: "Webhook" },
		tlsCertFile: `${kubernetesDirectory}/kubelet-serving.crt`,
		tlsPrivateKeyFile: `${kubernetesDirectory}/kubelet-serving.key`,
		containerRuntimeEndpoint: `unix://${containerdSocket}`,
		cgroupDriver: "cgroupfs",
		failCgroupV1: false,
		failSwapOn: false,
		clusterDNS: [cluster.dnsIp],
		clusterDomain,
		resolvConf: `${kubernetesDirectory}/resolv.conf`,
		staticPodPath: `${kubernetesDirectory}/manifests`,
		// The disk is the machine's own, and an image that was deleted cannot be pulled again.
		evictionHard: {
			"memory.available": "100Mi",
			"nodefs.available": "0%",
			"nodefs.inodesFree": "0%",
			"imagefs.available": "0%",
		},
		imageGCHighThresholdPercent: 100,
		imagePullCredentialsVerificationPolicy: "NeverVerify",
		volumePluginDir: "/var/lib/kubelet/volume-plugins",
	};
}

// https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/; 0: the machine's conntrack settings stay.
function proxyConfiguration(cluster: ClusterShape, node: NodeShape): object {
	return {
		apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
		kind: "KubeProxyConfiguration",
		mode: "nftables",
		hostnameOverride: node.name,
		clusterCIDR: cluster.podNetwork,
		clientConnection: { kubeconfig: `${kubernetesDirectory}/kube-proxy.kubeconfig` },
		conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
	};
}

// https://www.cni.dev/plugins/current/main/bridge/
function podNetwork(node: NodeShape): object {
	const ipam = { type: "host-local", dataDir: "/run/cni-ipam", ranges: [[{ subnet: node.podNetwork }]] };
	return {
		cniVersion: "1.0.0",
		name: "pods",
		plugins: [
			{
				type: "bridge",
				bridge: "cni0",
				isGateway: true,
				isDefaultGateway: true,
				hairpinMode: true,
				ipMasq: false,
				ipam,
			},
			{ type: "portmap", capabilities: { portMappings: true } },
		],
	};
}

// https://github.com/containerd/containerd/blob/release/1.6/docs/cri/config.md; restrict_oom_score_adj: a machine without
// CAP_SYS_RESOURCE cannot lower the score, and runc then starts nothing.
const containerdConfiguration = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [${["btrfs", "zfs", "aufs", "devmapper"].map((name) => `"io.containerd.snapshotter.v1.${name}"`).join(", ")}, "io.containerd.internal.v1.opt"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
