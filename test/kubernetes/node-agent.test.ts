// The node agent on a real cluster: Envoys that kubelet starts, in pods on two nodes, are served from outside; what happens when
// one is killed, when the agents are away, and without the CNI plug-in.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MeshObjects } from "./mesh-objects.ts";
import {
	client,
	daemonSet,
	gatewayHost,
	gatewayLoad,
	gateways,
	injected,
	installation,
	listLook,
	load,
	podOf,
	server,
	signaller,
} from "./node-agent-objects.ts";
import { isSpareReady } from "./node-socket.ts";
import { loadKeepmesh, noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

interface Answer {
	readonly status: number;
	/** Who the server's Envoy says is calling. */
	readonly from: string;
}

interface Losses {
	readonly bad: readonly string[];
	/** When the first one failed. */
	readonly underWay: number;
}

interface AgentPod {
	readonly status: { readonly containerStatuses: readonly { readonly name: string; readonly containerID?: string }[] };
}

const proxyKinds: readonly (readonly [string, object])[] = [
	["plain-server", { "sidecar.istio.io/nativeSidecar": "false" }],
	["tproxy-server", { "sidecar.istio.io/interceptionMode": "TPROXY" }],
];

describe("the node agents of a cluster", { skip: noCluster, timeout: 900_000 }, () => {
	let cluster: TestCluster;
	let kinds: MeshObjects | undefined;
	let address = "";
	before(async () => {
		cluster = await openCluster();
		await loadKeepmesh(cluster);
		kinds = new MeshObjects(cluster);
		await kinds.installKinds();
		await cluster.apply(...installation(cluster.namespace));
		await cluster.kubectl("rollout", "status", "deployment/keepmesh-control", "--timeout=180s");
		await cluster.apply(daemonSet(cluster.namespace));
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-node", "--timeout=180s");
		await cluster.apply({
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: "server" },
			spec: { selector: { app: "server" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
		});
		address = await cluster.kubectl("get", "service", "server", "--output", "jsonpath={.spec.clusterIP}");
		await start("server", "n1", server);
	});
	after(async () => {
		if (!cluster) return;
		await cluster.tryKubectl(["delete", "daemonset", "keepmesh-node", "--ignore-not-found"]);
		await cluster.tryKubectl(["delete", "clusterrolebinding", cluster.namespace, "--ignore-not-found"]);
		await kinds?.removeKinds();
		await cluster.close();
	});

	const apply = (name: string, node: string, program: string, annotations = {}): Promise<void> =>
		cluster.apply(injected(podOf(name, node, program, address, annotations)));
	const start = async (name: string, node: string, program: string, annotations = {}): Promise<void> => {
		await apply(name, node, program, annotations);
		await cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=180s");
	};
	const firstCall = async (pod: string): Promise<Answer> => {
		let line = "";
		await until(`${pod} has called`, async () => {
			line = (await cluster.kubectl("logs", pod, "--container", "app")).trim();
			return line !== "";
		});
		return JSON.parse(line) as Answer;
	};
	const agentOn = async (node: string): Promise<string> => {
		const chosen = [
			"--selector",
			"app=keepmesh-node",
			"--field-selector",
			`spec.nodeName=${node},status.phase=Running`,
		];
		return cluster.kubectl("get", "pods", ...chosen, "--output", "jsonpath={.items[0].metadata.name}");
	};
	const envoyOf = async (pod: string, node: string): Promise<string> => {
		const uid = await cluster.kubectl("get", "pod", pod, "--output", "jsonpath={.metadata.uid}");
		const link = await cluster.exec(await agentOn(node), "readlink", `/var/lib/keepmesh-test/pods/${uid}/s`);
		return link.split("/")[2] ?? "";
	};
	const lost = async (ms: number, url = `http://${address}`): Promise<Losses> => {
		const output = await cluster.exec("client", "node", "-e", load, url, String(ms));
		return JSON.parse(output) as Losses;
	};
	/** On a slow machine more are under way; two may be lost on any. */
	const assertNoMoreThanUnderWay = ({ bad, underWay }: Losses, what: string): void =>
		assert.ok(bad.length <= Math.max(2, underWay), `${what}, ${underWay} under way: ${JSON.stringify(bad)}`);
	const restartsOf = async (pod: string, path: string): Promise<number> =>
		Number(await cluster.kubectl("get", "pod", pod, "--output", `jsonpath={.status.${path}.restartCount}`));
	const addressOf = (pod: string): Promise<string> =>
		cluster.kubectl("get", "pod", pod, "--output", "jsonpath={.status.podIP}");
	/** Sends the pod's present Envoy a signal. */
	const signalTo = async (pod: string, node: string) => {
		const [agent, pid] = [await agentOn(node), await envoyOf(pod, node)];
		return (name: string): Promise<string> => cluster.exec(agent, "kill", `-${name}`, pid);
	};
	/** Of n1: its process, and the container that it is in. */
	const heldSpare = async (): Promise<{ readonly pid: number; readonly container: string }> => {
		let found = { pid: 0, container: "" };
		await until("the spare is in the container that holds it", async () => {
			const agent = await agentOn("n1");
			const status = await cluster.kubectl("get", "pod", agent, "--output", "json");
			const { containerStatuses } = (JSON.parse(status) as AgentPod).status;
			const id = containerStatuses.find(({ name }) => name === "spare")?.containerID ?? "";
			const container = id.slice(id.lastIndexOf("/") + 1);
			const read = 'p=$(grep -o "[0-9]*" /var/lib/keepmesh-test/spare.json | head -1); echo $p; cat /proc/$p/cgroup';
			const { stdout } = await cluster.tryKubectl(["exec", agent, "--container", "node", "--", "sh", "-c", read]);
			found = { pid: Number.parseInt(stdout, 10), container };
			// In all of its hierarchies.
			return (
				container !== "" &&
				stdout.includes(container) &&
				stdout.split("\n").every((line) => !line.includes("/kubepods") || line.includes(container))
			);
		});
		return found;
	};
	/** Text for a shell: those of the node with such a command line are `$found`. */
	const processesOf = (command: string): string =>
		`found=; for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline 2>/dev/null | grep -q "${command}" && found="$found \${p#/proc/}"; done`;
	const eventsOf = async (pod: string): Promise<string> =>
		cluster.kubectl("get", "events", "--field-selector", `involvedObject.name=${pod}`, "--output", "json");

	it("put pods of two nodes into the mesh, from their very first connection on", async () => {
		await start("client", "n2", client);
		const { from, status } = await firstCall("client");
		assert.equal(status, 200);
		assert.match(from, new RegExp(`URI=spiffe://cluster.local/ns/${cluster.namespace}/sa/default`));
	});

	it("say in the Pod's status who serves its connections", async () => {
		const path = 'jsonpath={.status.conditions[?(@.type=="keepmesh.io/serving")].reason}';
		await until(
			"the condition",
			async () => (await cluster.kubectl("get", "pod", "server", "--output", path)) === "BySidecar",
		);
	});

	it("lose at most what an Envoy has under way when it is killed: the spare serves until kubelet has started another", async () => {
		const pid = await envoyOf("server", "n1");
		const restarts = (): Promise<number> => restartsOf("server", "initContainerStatuses[0]");
		const before = await restarts();
		const sending = lost(6_000);
		await new Promise((resolve) => setTimeout(resolve, 1_500));
		await cluster.exec(await agentOn("n1"), "kill", "-9", pid);
		assertNoMoreThanUnderWay(await sending, "server");
		await until("another Envoy", async () => (await restarts()) > before);
		await until("events", async () => /"reason": "ServedBySpare"/.test(await eventsOf("server")));
		await until("all is as before", async () => /"reason": "ServedBySidecar"/.test(await eventsOf("server")));
	});

	it("leave the spare alive when one is killed: it serves a pod whose Envoy is killed in the same moment", async (t) => {
		const held = await heldSpare();
		const [agent, envoy] = [await agentOn("n1"), await envoyOf("server", "n1")];
		const restarts = (): Promise<number> => restartsOf(agent, 'containerStatuses[?(@.name=="node")]');
		const before = await restarts();
		const sending = lost(4_500);
		await new Promise((resolve) => setTimeout(resolve, 1_500));
		const kill = `${processesOf("[k]eepmesh.ts node --kubernetes")}; kill -9 $found ${envoy}`;
		// It is ended with the agent's container, and cannot say so.
		await cluster.tryKubectl(["exec", agent, "--container", "node", "--", "sh", "-c", kill]);
		const { bad } = await sending;
		t.diagnostic(`${bad.length} of 225 requests lost`);
		// Those of the lease's time, and of a machine with too much to do; without a spare it would be all until the agent is back.
		assert.ok(bad.length <= 40, JSON.stringify(bad));
		await until("it was started again", async () => (await restarts()) > before);
		const path = 'jsonpath={.status.conditions[?(@.type=="keepmesh.io/serving")].reason}';
		await until("another Envoy", async () => (await envoyOf("server", "n1").catch(() => envoy)) !== envoy);
		await until(
			"it serves",
			async () => (await cluster.kubectl("get", "pod", "server", "--output", path)) === "BySidecar",
		);
		assert.deepEqual(await heldSpare(), held);
	});

	it("start another spare when its container ends, in the next one", async () => {
		const held = await heldSpare();
		await cluster.exec(await agentOn("n1"), "sh", "-c", `${processesOf("[s]pare-holder.sh")}; kill -9 $found`);
		await until("another spare is held", async () => (await heldSpare()).container !== held.container);
		assert.notEqual((await heldSpare()).pid, held.pid);
	});

	it("do the same for plain sidecars, and for those with TPROXY", async () => {
		for (const [name, annotations] of proxyKinds) {
			await start(name, "n1", server, annotations);
			const url = `http://${await addressOf(name)}:8080`;
			const kill = await signalTo(name, "n1");
			await until(`${name}: the spare could serve it`, () => isSpareReady(cluster, name, "/var/lib/keepmesh-test"));
			const sending = lost(5_000, url);
			await new Promise((resolve) => setTimeout(resolve, 1_500));
			await kill("KILL");
			assertNoMoreThanUnderWay(await sending, name);
			for (const step of ["Spare", "Sidecar"])
				await until(`${name}: ${step}`, async () => (await eventsOf(name)).includes(`"reason": "ServedBy${step}"`));
			await cluster.kubectl("delete", "pod", name, "--wait=false");
		}
	});

	it("take a gateway that crashes or hangs out of its Service, and start it again", async (t) => {
		// A client in the mesh would try again by itself.
		await cluster.apply(...gateways(["n1", "n2"]), podOf("outside", "n2", "setInterval(() => {}, 1e6)", address));
		const isReady = ["wait", "--for=condition=Ready", "pod", "--selector=app in (gateway,outside)", "--timeout=180s"];
		await cluster.kubectl(...isReady);
		const url = `http://${await cluster.kubectl("get", "service", "gateway", "--output", "jsonpath={.spec.clusterIP}")}`;
		const command = ["node", "-e", gatewayLoad, url, gatewayHost];
		await until("it serves", async () => (await cluster.exec("outside", ...command, "50")).includes('"lost":[]'));
		const restarts = (): Promise<number> => restartsOf("gateway-n1", "containerStatuses[0]");
		for (const name of ["KILL", "STOP"]) {
			const before = await restarts();
			const send = await signalTo("gateway-n1", "n1");
			const sending = cluster.exec("outside", ...command, "10000");
			await new Promise((resolve) => setTimeout(resolve, 1_500));
			await send(name);
			const { lost: bad, sent } = JSON.parse(await sending) as { sent: number; lost: [number, string][] };
			const [first = 0, last = 0] = [bad[0]?.[0], bad.at(-1)?.[0]];
			t.diagnostic(`${name}: ${bad.length} of ${sent} requests lost, the last ${last - first} ms after the first`);
			// Half of those that are sent until Services have heard of it.
			assert.ok(bad.length < sent / 3, JSON.stringify(bad));
			await until("it was started again", async () => (await restarts()) > before, 120_000);
			await cluster.kubectl(...isReady);
		}
		assert.match(await eventsOf("gateway-n1"), /"reason": "ServedClosed"/);
		await cluster.kubectl("delete", "pod", "outside", "gateway-n1", "gateway-n2", "--wait=false");
	});

	it("let a pod go at once whose proxy cannot start, and never start its application, kubelet restarted or not", async () => {
		await cluster.kubectl("scale", "deployment/keepmesh-control", "--replicas=0");
		await cluster.kubectl("wait", "--for=delete", "pod", "--selector=app=keepmesh-control", "--timeout=60s");
		await apply("stuck", "n2", client);
		await until("its proxy waits", async () => /Container started/.test(await eventsOf("stuck")));
		const agent = await agentOn("n2");
		const asks = `${processesOf("[p]roxy wait")}; for p in $found; do ls -l /proc/$p/fd | grep -q socket: && exit 0; done; exit 1`;
		await until("its hook has asked the agent", async () => {
			return (await cluster.tryKubectl(["exec", agent, "--", "sh", "-c", asks])).code === 0;
		});
		// It is what runs the command, too, and cannot say how that ended.
		await cluster.tryKubectl(["exec", agent, "--", "sh", "-c", "kill -9 $(pidof kubelet)"]);
		const ended = /kubelet does not wait for the proxy any more/;
		await until("its proxy was ended", async () => {
			const { stdout } = await cluster.tryKubectl(["logs", agent, "--tail=300"]);
			return ended.test(stdout);
		});
		await until("its proxy runs again", async () => {
			const found = /"count": (\d+),[^}]*"message": "Container started"/.exec(
				(await eventsOf("stuck")).replaceAll("\n", " "),
			);
			return Number(found?.[1]) > 1 || ((await eventsOf("stuck")).match(/Container started/g)?.length ?? 0) > 1;
		});
		const started = "jsonpath={.status.containerStatuses[0].started}";
		assert.equal(await cluster.kubectl("get", "pod", "stuck", "--output", started), "false");
		const startMs = performance.now();
		await cluster.kubectl("delete", "pod", "stuck", "--timeout=60s");
		const tookMs = performance.now() - startMs;
		assert.ok(tookMs < 20_000, `${tookMs} ms`);
		// One container was started, again and again.
		assert.doesNotMatch(await eventsOf("stuck"), /spec\.containers\{app\}/);
		await cluster.kubectl("scale", "deployment/keepmesh-control", "--replicas=1");
		await cluster.kubectl("rollout", "status", "deployment/keepmesh-control", "--timeout=180s");
	});

	it("may all be replaced while requests flow", async () => {
		const sending = lost(15_000);
		await cluster.kubectl("delete", "pods", "--selector", "app=keepmesh-node", "--wait=false");
		assert.deepEqual((await sending).bad, []);
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-node", "--timeout=180s");
	});

	it("leave nobody past an Envoy that is late while they are away; hold up pods of the mesh, and no others", async () => {
		const pid = await envoyOf("server", "n1");
		await cluster.apply(signaller("n1"));
		await cluster.kubectl("wait", "--for=condition=Ready", "pod/signaller", "--timeout=60s");
		const place = (selector: object | null): Promise<string> => {
			const patch = JSON.stringify({ spec: { template: { spec: { nodeSelector: selector } } } });
			return cluster.kubectl("patch", "daemonset", "keepmesh-node", "--type", "merge", "--patch", patch);
		};
		await place({ nowhere: "true" });
		await until("no agent runs", async () => {
			const left = await cluster.kubectl("get", "pods", "--selector", "app=keepmesh-node", "--output", "name");
			return left === "";
		});
		await cluster.apply(podOf("plain", "n2", "setInterval(() => {}, 1e6)", address));
		await apply("late", "n2", client);
		await cluster.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=180s");
		await until("the pod waits", async () => /its node agent does not answer/.test(await eventsOf("late")), 90_000);
		const sending = lost(2_000);
		await new Promise((resolve) => setTimeout(resolve, 1_000));
		await cluster.exec("signaller", "sh", "-c", `kill -STOP ${pid}; sleep 0.2; kill -CONT ${pid}`);
		assert.deepEqual((await sending).bad, []);
		await place({ nowhere: null } as object);
		await cluster.kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=180s");
		assert.equal((await firstCall("late")).status, 200);
	});

	it("take their CNI plug-in away with their DaemonSet, and need none", async () => {
		await cluster.kubectl("delete", "daemonset", "keepmesh-node");
		await until("the plug-in has gone", async () => {
			await cluster.tryKubectl(["delete", "pod", "look", "--ignore-not-found", "--grace-period=0"]);
			await cluster.apply(listLook());
			const ended = ["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/look", "--timeout=30s"];
			if ((await cluster.tryKubectl(ended)).code !== 0) return false;
			const { code, stdout } = await cluster.tryKubectl(["logs", "look"]);
			return code === 0 && !stdout.includes("keepmesh-cni");
		});
		await cluster.apply(daemonSet(cluster.namespace, ["--no-cni"]));
		await cluster.kubectl("rollout", "status", "daemonset/keepmesh-node", "--timeout=180s");
		await start("found", "n2", client);
		const { from, status } = await firstCall("found");
		assert.equal(status, 200);
		assert.match(from, /URI=spiffe:/);
	});
});
