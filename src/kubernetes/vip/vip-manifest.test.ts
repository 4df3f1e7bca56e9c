import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";
import { virtualIpConfig } from "../../vip/virtual-ip-config.ts";
import { factsOf, objectsIn } from "./cluster.testing.ts";
import { type VipManifestOptions, vipManifest } from "./vip-manifest.ts";

interface Pod {
	readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
	readonly spec: {
		readonly containers: readonly { readonly args: readonly string[] }[];
		readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
	};
}

const options: VipManifestOptions = {
	address: "10.88.0.100/24",
	port: 6443,
	nodes: [],
	image: "keepmesh:1",
	kubeconfig: "/etc/kubernetes/admin.conf",
};
const podOf = (changed: Partial<VipManifestOptions> = {}) => vipManifest({ ...options, ...changed }) as unknown as Pod;

function held(pod: Pod, node: string) {
	const text = pod.metadata.annotations["keepmesh.io/virtual-ips"] ?? "";
	const { config, problems } = virtualIpConfig(objectsIn(text) as readonly VirtualIp[], factsOf(node));
	assert.deepEqual(problems, []);
	return config;
}

describe("the static pod of the API server's address", () => {
	it("holds it where the machine's own API server is alive, by multicast, with the address's last byte as VRID", () => {
		const { instances, trackers } = held(podOf(), "n1");
		assert.deepEqual(
			instances.map(({ virtualRouterId, transport }) => [virtualRouterId, transport.type]),
			[[100, "multicast"]],
		);
		assert.ok(trackers[0]?.check.type === "http" && trackers[0].check.url === "https://127.0.0.1:6443/livez");
	});

	it("speaks unicast between the machines that are named, which prefer the first", () => {
		const nodes = [
			{ name: "n1", address: "10.88.0.11" },
			{ name: "n2", address: "10.88.0.12" },
		];
		const pod = podOf({ nodes, virtualRouterId: 7, port: 8443 });
		const [first] = held(pod, "n1").instances;
		assert.deepEqual([first?.priority, first?.virtualRouterId], [200, 7]);
		assert.ok(first?.transport.type === "unicast" && first.transport.peers[0]?.address === "10.88.0.12");
		assert.equal(held(pod, "n2").instances[0]?.priority, 199);
		assert.deepEqual(held(pod, "n3").instances, []);
	});

	it("follows the cluster by the kubeconfig's directory, or none", () => {
		const { spec } = podOf();
		assert.ok(spec.containers[0]?.args.includes("--kubeconfig=/etc/kubernetes/admin.conf"));
		assert.equal(spec.volumes.at(-1)?.hostPath?.path, "/etc/kubernetes");
		const { kubeconfig: _none, ...without } = options;
		const alone = vipManifest(without) as unknown as Pod;
		assert.ok(!alone.spec.containers[0]?.args.includes("--kubernetes"));
		assert.deepEqual(
			alone.spec.volumes.map(({ name }) => name),
			["virtual-ips", "state"],
		);
	});
});
