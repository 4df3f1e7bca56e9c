// Addresses of a real cluster: VirtualIPs, Services of type LoadBalancer, a keepalived.conf in a ConfigMap; nodes and the API server
// that go away.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { namespacePath } from "../../cluster/cluster-paths.ts";
import { keepmeshImage } from "../../cluster/images/image-names.ts";
import { keepmeshProcesses } from "../../cluster/keepmesh-processes.ts";
import { nodeDown, nodeUp } from "../../cluster/node-power.ts";
import { type PlannedCluster, planSetHere } from "../../cluster/plan-set.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import type { VipStatus } from "../../src/app/vip/vip-status.ts";
import { drilled } from "./drilled.ts";
import { MeshObjects } from "./mesh-objects.ts";
import { askOnNode } from "./node-socket.ts";
import { loadKeepmesh, noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";
import { AddressWatcher, aliveServer, answering, keepmeshSays, StaticPodFile, vipDaemonSet } from "./vip-objects.ts";

const [echoPort, httpPort, livezPort] = [7111, 8080, 7443];
const vip = "10.88.0.100";
const confVip = "10.88.0.101";
const keepmesh = (kind: string, name: string, spec: object): object => ({
	apiVersion: "keepmesh.io/v1alpha1",
	kind,
	metadata: { name },
	spec,
});

describe("addresses of a cluster", { skip: noCluster, timeout: 1_200_000 }, () => {
	let cluster: TestCluster;
	let planned: PlannedCluster;
	let kinds: MeshObjects;
	const watchers: AddressWatcher[] = [];

	before(async () => {
		cluster = await openCluster();
		const [first] = planSetHere(cluster.record).clusters;
		assert.ok(first && first.nodes.length >= 2);
		planned = first;
		kinds = new MeshObjects(cluster);
		await kinds.installKinds();
		await loadKeepmesh(cluster);
		await cluster.apply(
			answering("echo", echoPort, { hostNetwork: true }),
			answering("web", httpPort, { hostNetwork: false }),
			keepmesh("VirtualIPPool", "edge", { addresses: ["10.88.0.120-10.88.0.125"] }),
			keepmesh("VirtualIP", "front", { addresses: [`${vip}/24`], virtualRouterId: 51 }),
		);
		for (const name of ["echo", "web"])
			await cluster.kubectl("rollout", "status", `daemonset/${name}`, "--timeout=180s");
		await runDaemonSet();
	});
	after(async () => {
		for (const watcher of watchers) watcher.stop();
		await cluster.tryKubectl(["delete", "virtualippool", "edge"]);
		await cluster.tryKubectl(["delete", "daemonset", "keepmesh-vip", "--wait"]);
		for (const kind of ["clusterrole", "clusterrolebinding"])
			await cluster.tryKubectl(["delete", kind, `keepmesh-vip-${cluster.namespace}`]);
		await kinds.removeKinds();
		await cluster.close();
	});

	const runDaemonSet = async (): Promise<void> => {
		await cluster.apply(...vipDaemonSet(cluster.namespace, ["--config-map", `${cluster.namespace}/vip`]));
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-vip", "--timeout=180s");
	};
	const watch = (address: string): AddressWatcher => {
		const watcher = new AddressWatcher(planned.cluster.controlPlane, address, echoPort);
		watchers.push(watcher);
		return watcher;
	};
	const serviceOf = (name: string, more: object = {}): object => ({
		apiVersion: "v1",
		kind: "Service",
		metadata: { name },
		spec: { type: "LoadBalancer", selector: { app: "web" }, ports: [{ port: 80, targetPort: httpPort }], ...more },
	});
	const externalIp = async (name: string): Promise<string> =>
		cluster.kubectl("get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}");
	/** From a machine that is no node; empty: nobody answers. */
	const get = async (address: string): Promise<string> => {
		const place = `--net=${namespacePath(planned.cluster.controlPlane)}`;
		const asked = ["curl", "-s", "--max-time", "2", `http://${address}/`];
		const nothing = { stdout: "" };
		return (await promisify(execFile)("nsenter", [place, "--", ...asked]).catch(() => nothing)).stdout;
	};
	const nodeNamed = (name: string | undefined) => {
		const found = planned.nodes.find(({ node }) => node.name === name);
		assert.ok(found, `no node ${name}`);
		return found;
	};
	const owner = (): Promise<string> => cluster.kubectl("get", "virtualip", "front", "-o", "jsonpath={.status.owner}");

	it("a VirtualIP is held by one node, and kubectl says by which", async () => {
		const watcher = watch(vip);
		await until("somebody answers", async () => watcher.node !== undefined);
		await until("its status names the owner", async () => (await owner()) === watcher.node);
	});

	it("a Service of type LoadBalancer gets an address of the pool, and answers there", async () => {
		await cluster.apply(serviceOf("web"));
		await until("its status has the address", async () => (await externalIp("web")) !== "");
		const address = await externalIp("web");
		assert.match(address, /^10\.88\.0\.12[0-5]$/);
		await until("it answers", async () => /^n\d$/.test(await get(address)));
		assert.match(await cluster.kubectl("describe", "service", "web"), /AddressesGiven.*given 10\.88\.0\.12/);
	});

	it("one that asks for an address has it, and one that cannot have its address hears why", async () => {
		await cluster.apply(
			serviceOf("asks", { loadBalancerIP: "10.88.0.125" }),
			serviceOf("outside", { loadBalancerIP: "192.0.2.7" }),
		);
		await until("the address that was asked for", async () => (await externalIp("asks")) === "10.88.0.125");
		await until("the reason", async () =>
			(await cluster.kubectl("describe", "service", "outside")).includes("has 192.0.2.7"),
		);
		assert.equal(await externalIp("outside"), "");
	});

	it("with externalTrafficPolicy Local the address is where the endpoints are", async () => {
		const pods = JSON.parse(await cluster.kubectl("get", "pods", "-l", "app=web", "-o", "json")).items as readonly {
			readonly metadata: { readonly name: string };
			readonly spec: { readonly nodeName: string };
		}[];
		await cluster.apply(serviceOf("local", { externalTrafficPolicy: "Local", selector: { one: "here" } }));
		for (const pod of [...pods, ...pods.slice(0, 1)]) {
			await cluster.kubectl("label", "pod", "-l", "one=here", "one-");
			await cluster.kubectl("label", "pod", pod.metadata.name, "one=here");
			const { nodeName } = pod.spec;
			await until(`it is at ${nodeName}`, async () => (await get(await externalIp("local"))) === nodeName);
		}
	});

	it("a keepalived.conf in a ConfigMap runs on every node with its peers, and its changes are followed", async () => {
		const conf = (address: string): string =>
			`vrrp_instance conf {\n interface eth0\n virtual_router_id 60\n advert_int 1\n unicast_src_ip $_NODE_ADDRESS\n unicast_peer {\n $_PEER_ADDRESSES\n }\n virtual_ipaddress {\n ${address}/24\n }\n}\n`;
		const put = (address: string): Promise<void> =>
			cluster.apply({
				apiVersion: "v1",
				kind: "ConfigMap",
				metadata: { name: "vip" },
				data: { "keepalived.conf": conf(address) },
			});
		await put(confVip);
		const first = watch(confVip);
		await until("its address answers", async () => first.node !== undefined);
		const second = watch("10.88.0.102");
		await put("10.88.0.102");
		await until("the changed one answers", async () => second.node !== undefined);
		assert.equal(second.node, first.node ?? second.node);
		await until("the old one does not", async () => first.node === undefined);
		first.stop();
		second.stop();
	});

	it("a rolling update of the DaemonSet hands it over, and back, and nobody notices", async (context) => {
		const watcher = watch(vip);
		await until("somebody answers", async () => watcher.node !== undefined);
		const sinceMs = performance.timeOrigin + performance.now();
		await cluster.kubectl("rollout", "restart", "daemonset/keepmesh-vip");
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-vip", "--timeout=180s");
		const gapMs = watcher.longestGapMs(sinceMs);
		context.diagnostic(`nobody answered for ${gapMs} ms`);
		assert.ok(gapMs <= 1000, `${gapMs} ms`);
		watcher.stop();
	});

	it("a drill kills the owner of an address of its own, under a probe a millisecond, and leaves nothing", async (context) => {
		const { lines, said } = await drilled(
			cluster,
			"vip-crash",
			"--system-namespace",
			cluster.namespace,
			"--move-others",
		);
		context.diagnostic(JSON.stringify(lines));
		const crash = lines.find(({ drill }) => drill === "vip-crash");
		assert.ok(crash && crash.sent > 500 && crash.lost < crash.sent / 2, said);
		assert.ok(crash.convergeMs !== null && crash.restoreMs !== null, said);
		const left = await cluster.kubectl("get", "virtualips,namespaces", "-A", "-l", "keepmesh.io/drill", "-o", "name");
		assert.doesNotMatch(left, /virtualip/);
	});

	it("an owner that loses its power is replaced at once, and its address of a Service as well", async (context) => {
		const watcher = watch(vip);
		await until("somebody answers", async () => watcher.node !== undefined);
		const lost = nodeNamed(watcher.node);
		const sinceMs = performance.timeOrigin + performance.now();
		await nodeDown(cluster.record, planned.cluster, lost);
		await until("another one answers", async () => watcher.node !== undefined && watcher.node !== lost.node.name);
		const gapMs = watcher.longestGapMs(sinceMs);
		context.diagnostic(`nobody answered for ${gapMs} ms`);
		assert.ok(gapMs <= 2000, `${gapMs} ms`);
		const heldBy = watcher.node;
		await until("its status names the new owner", async () => (await owner()) === heldBy);
		await nodeUp(cluster.record, planned.cluster, lost);
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-vip", "--timeout=180s");
		watcher.stop();
	});

	it("the static pod of `keepmesh manifest vip` waits for the DaemonSet's end, and follows its machine's API server", async () => {
		const address = "10.88.0.110";
		const watcher = watch(address);
		await cluster.apply(aliveServer("livez", livezPort));
		await cluster.kubectl("rollout", "status", "daemonset/livez", "--timeout=180s");
		const flags = ["--address", `${address}/24`, "--api-port", String(livezPort), "--kubeconfig", "none"];
		const machines = planned.nodes.flatMap(({ node }) => ["--machine", `${node.name}=${node.ip}`]);
		const pod = await keepmeshSays("manifest", "vip", ...flags, ...machines, "--image", keepmeshImage);
		const files = planned.nodes.map(({ node }) => new StaticPodFile(cluster.record, node, "keepmesh-vip"));
		try {
			for (const file of files) file.write(pod.replace("imagePullPolicy: IfNotPresent", "imagePullPolicy: Never"));
			await cluster.kubectl("delete", "daemonset", "keepmesh-vip", "--wait");
			await until("the preferred machine has the address", async () => watcher.node === "n1");
			await until("the other one stands by", async () => {
				const said = await askOnNode<VipStatus>(cluster, "n2", "/var/lib/keepmesh/vip/vip.sock", "/status");
				return said?.instances[0]?.state === "BACKUP";
			});
			await cluster.kubectl("delete", "pod", "-l", "app=livez", "--field-selector", "spec.nodeName=n1", "--wait=false");
			await until("it leaves the machine whose server is away", async () => watcher.node === "n2");
		} finally {
			for (const file of files) file.remove();
		}
		await until("nobody has it once the manifests are gone", async () => watcher.node === undefined);
		watcher.stop();
		await runDaemonSet();
	});

	// The last one: Kubernetes itself needs a minute after it until its controllers and kubelets are at work again.
	it("stays while there is no API server, and is back when all processes are killed meanwhile: they start from their disks", async () => {
		const watcher = watch(vip);
		await until("somebody answers", async () => watcher.node !== undefined);
		await programDown(cluster.record, planned, "kube-apiserver");
		const sinceMs = performance.timeOrigin + performance.now();
		try {
			await new Promise((done) => setTimeout(done, 10_000));
			assert.ok(watcher.longestGapMs(sinceMs) < 1000, `${watcher.longestGapMs(sinceMs)} ms`);
			for (const pid of keepmeshProcesses(cluster.record, planned, "vip")) process.kill(pid, "SIGKILL");
			await until("nobody answers", async () => watcher.node === undefined);
			await until("somebody answers again", async () => watcher.node !== undefined);
		} finally {
			await programUp(cluster.record, planned, "kube-apiserver");
		}
		assert.notEqual(watcher.node, undefined);
		watcher.stop();
	});
});
