import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { readHierarchies } from "./cgroup-directories.ts";
import { planControlPlane, planNode } from "./cluster-plan.ts";
import { planSet } from "./cluster-shape.ts";
import { planSetNetwork } from "./network-plan.ts";
import type { ClusterOptions } from "./node-options.ts";
import { quote } from "./start-script.ts";

const shape = planSet({ name: "kl", clusters: 2, nodes: 2 });
const [cluster] = shape.clusters;
const node = cluster?.nodes[1];
assert.ok(cluster && node);
const hierarchies = readHierarchies("3:cpuset:/\n2:memory:/mine\n0::/\n");
const places = { directory: "/state/my cluster", programs: "/programs", cniPlugins: "/usr/lib/cni" };
const plain: ClusterOptions = { kubeProxy: true, kubeletArgs: [], share: [], apiServerArgs: [], controllerArgs: [] };

describe("the plan of a node", () => {
	const scriptOf = (options: ClusterOptions): string =>
		planNode(cluster, node, hierarchies, places, options).files[0]?.text ?? "";

	it("is a script that bash understands", () => {
		const options = { ...plain, share: ["/work/it's here"], kubeletArgs: ["--v=4 5"] };
		for (const text of [scriptOf(plain), scriptOf(options)]) execFileSync("bash", ["-n"], { input: text });
		for (const { startScript } of [planNode(cluster, node, hierarchies, places, options)])
			execFileSync("sh", ["-n"], { input: startScript.text });
	});

	it("keeps kube-proxy running, unless it is told not to", () => {
		assert.match(scriptOf(plain), /^keep kube-proxy /m);
		assert.doesNotMatch(scriptOf({ ...plain, kubeProxy: false }), /^keep kube-proxy /m);
		assert.match(scriptOf({ ...plain, kubeProxy: false }), /^keep kubelet /m);
	});

	it("enters every cgroup of the node before anything runs in it", () => {
		const { startScript, commands } = planNode(cluster, node, hierarchies, places, plain);
		const lines = startScript.text.split("\n");
		const entered = lines.flatMap((line) => /^echo \$\$ >(\S+)\/cgroup.procs$/.exec(line)?.[1] ?? []);
		const expected = [
			"/sys/fs/cgroup/cpuset/kl1-n2",
			"/sys/fs/cgroup/memory/mine/kl1-n2",
			"/sys/fs/cgroup/unified/kl1-n2",
		];
		assert.deepEqual(entered, expected);
		assert.ok(
			lines.findIndex((line) => line.startsWith("exec ")) > lines.lastIndexOf(`echo $$ >${expected[2]}/cgroup.procs`),
		);
		for (const directory of expected) assert.ok(commands.includes(`mkdir -p ${directory}`));
	});
});

describe("the plan of a control plane", () => {
	it("hands more arguments to kube-apiserver, after its own", () => {
		const options = { ...plain, apiServerArgs: ["--v=4", "--feature-gates=A=true"] };
		const { startScripts } = planControlPlane(cluster, hierarchies, places, options);
		assert.match(
			startScripts["kube-apiserver"].text,
			/--profiling=false \\\n {2}--v=4 \\\n {2}--feature-gates=A=true\n$/,
		);
		assert.doesNotMatch(startScripts.etcd.text, /--v=4/);
	});
});

describe("the network of two clusters", () => {
	const lines = planSetNetwork(shape);

	it("leads from each control plane to the machines and pods of the other", () => {
		assert.ok(lines.includes("ip -n kl1-cp route add 10.245.0.0/16 via 10.87.0.2"));
		assert.ok(lines.includes("ip -n kl1-cp route add 10.88.1.0/24 via 10.87.0.2"));
		assert.ok(lines.includes("ip -n kl2-cp route add 10.244.0.0/16 via 10.87.0.1"));
	});

	it("leaves Services to their own cluster", () => {
		const services = lines.filter((line) => line.includes("route add 10.96.") || line.includes("route add 10.97."));
		assert.deepEqual(services, [
			"ip -n kl1-cp route add 10.96.0.0/16 via 10.88.0.11",
			"ip -n kl2-cp route add 10.97.0.0/16 via 10.88.1.11",
		]);
	});

	it("touches nothing outside its own namespaces", () => {
		for (const line of lines)
			assert.match(line, /^(ip netns add kl\d-|ip -n kl\d-cp |nsenter --net=\/run\/netns\/kl\d-cp )/);
	});
});

describe("a word of a shell command", () => {
	it("comes out of a shell as it went in", () => {
		for (const word of ["plain", "--a=b", "it's", "$HOME", "a b", "*", ""])
			assert.equal(execFileSync("sh", ["-c", `printf %s ${quote(word)}`], { encoding: "utf8" }), word);
	});
});
