// Layer 4 in place of kube-proxy, on nodes that never had one: names, Services of each kind, what comes from outside, and changes
// under load. What each packet meets is compared with the real kube-proxy in test/interop/kube-proxy.test.ts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { namespacePath } from "../../cluster/cluster-paths.ts";
import type { NodeShape } from "../../cluster/plan/cluster-shape.ts";
import { planSetHere } from "../../cluster/plan-set.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import { type BareCluster, openBareCluster } from "./bare-cluster.ts";
import { drilled } from "./drilled.ts";
import { type Answer, askFromMachine, askFromPod, podsOf, serverDeployment, serverPod } from "./layer4-clients.ts";
import { layer4Namespace } from "./layer4-objects.ts";
import { noCluster, until } from "./test-cluster.ts";

const http = [{ name: "http", port: 80, targetPort: 8080 }] as const;
const udp = [{ name: "udp", port: 80, targetPort: 8080, protocol: "UDP" }] as const;
const web = { selector: { app: "web" }, ports: http };

interface Made {
	readonly spec: {
		readonly clusterIP: string;
		readonly healthCheckNodePort?: number;
		readonly ports: readonly { readonly nodePort: number }[];
	};
}

describe("layer 4 in place of kube-proxy", { skip: noCluster, timeout: 1_200_000 }, () => {
	let cluster: BareCluster;
	let n1: NodeShape;
	let n2: NodeShape;
	before(async () => {
		cluster = await openBareCluster(2);
		const [first, second] = cluster.shape.nodes;
		assert.ok(first && second);
		n1 = first;
		n2 = second;
		const app = { app: "web" };
		await cluster.apply(
			serverPod("web-1", "n1", app),
			serverPod("web-2", "n2", app),
			serverPod("only-2", "n2", { app: "only" }),
		);
		await cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s");
	});
	after(() => cluster?.close());

	const service = async (name: string, spec: object): Promise<Made["spec"] & { readonly nodePort: number }> => {
		await cluster.apply({ apiVersion: "v1", kind: "Service", metadata: { name }, spec });
		const made = JSON.parse(await cluster.kubectl("get", "service", name, "-o", "json")) as Made;
		return { ...made.spec, nodePort: made.spec.ports[0]?.nodePort ?? 0 };
	};
	/** As seen until it is so: rules follow a change within moments, not before the API server has told of it. */
	const meets = async (
		wanted: readonly string[],
		ask: () => Promise<readonly string[]>,
		withinMs?: number,
	): Promise<void> => {
		let met: readonly string[] = [];
		const isWanted = async (): Promise<boolean> => {
			met = await ask();
			return met.join() === wanted.join();
		};
		await until(`${wanted} answer`, isWanted, withinMs).catch((error: Error) =>
			assert.deepEqual(met, wanted, error.message),
		);
	};
	const both = ["web-1", "web-2"];

	it("gives pods names and Services, every pod of them, themselves too", async () => {
		await service("web", web);
		await meets(both, async () => podsOf(await askFromPod(cluster, "web-1", "tcp://web:80", { count: 12 })));
		let answers: readonly Answer[] = [];
		await until("only-2 is answered", async () => {
			answers = await askFromPod(cluster, "only-2", `tcp://web.${cluster.namespace}.svc.cluster.local:80`);
			return answers[0]?.pod !== undefined;
		});
		const ip = await cluster.kubectl("get", "pod", "only-2", "-o", "jsonpath={.status.podIP}");
		assert.equal(answers[0]?.client, ip, "a pod is seen as itself");
	});

	it("gives nodes the same Services, and UDP", async () => {
		const { clusterIP } = await service("web-udp", { ...web, ports: udp });
		await meets(both, async () => podsOf(await askFromMachine(n1, `udp://${clusterIP}:80`, { count: 12 })));
	});

	it("answers node ports on every node, with the client's address where the policy is Local", async () => {
		const { controlPlane } = cluster.shape;
		const spread = await service("web-node", { ...web, type: "NodePort" });
		for (const { ip } of [n1, n2])
			await meets(both, async () =>
				podsOf(await askFromMachine(controlPlane, `tcp://${ip}:${spread.nodePort}`, { count: 12 })),
			);
		const local = await service("web-local", { ...web, type: "NodePort", externalTrafficPolicy: "Local" });
		await meets(["web-2"], async () =>
			podsOf(await askFromMachine(controlPlane, `tcp://${n2.ip}:${local.nodePort}`, { count: 6 })),
		);
		const [answer] = await askFromMachine(controlPlane, `tcp://${n2.ip}:${local.nodePort}`);
		assert.equal(answer?.client, controlPlane.ip);
	});

	it("has nobody answer at a node without a pod where the policy is Local, and says so to load balancers", async () => {
		const { controlPlane } = cluster.shape;
		const spec = { selector: { app: "only" }, ports: http, type: "LoadBalancer", externalTrafficPolicy: "Local" };
		const { healthCheckNodePort, nodePort } = await service("only", spec);
		await meets(["only-2"], async () => podsOf(await askFromMachine(controlPlane, `tcp://${n2.ip}:${nodePort}`)));
		const timeoutMs = 500;
		await meets(["silent"], async () =>
			podsOf(await askFromMachine(controlPlane, `tcp://${n1.ip}:${nodePort}`, { timeoutMs })),
		);
		const health = async ({ ip }: NodeShape): Promise<string> =>
			(await askFromMachine(controlPlane, `tcp://${ip}:${healthCheckNodePort}/healthz`)).map((one) =>
				JSON.stringify(one),
			)[0] ?? "";
		await until("n1 says that it has none", async () => /"localEndpoints":0/.test(await health(n1)));
		await until("n2 says that it has one", async () => /"localEndpoints":1/.test(await health(n2)));
	});

	it("balances the address that a load balancer got, whoever routes it to a node", async () => {
		const { controlPlane } = cluster.shape;
		await service("web-lb", { ...web, type: "LoadBalancer" });
		const status = { status: { loadBalancer: { ingress: [{ ip: "192.0.2.10" }] } } };
		await cluster.kubectl(
			"patch",
			"service",
			"web-lb",
			"--subresource=status",
			"--type=merge",
			"-p",
			JSON.stringify(status),
		);
		const route = (verb: string): Buffer =>
			execFileSync("nsenter", [
				`--net=${namespacePath(controlPlane)}`,
				...["ip", "route", verb, "192.0.2.10/32", "via", n1.ip],
			]);
		route("add");
		try {
			await meets(both, async () =>
				podsOf(await askFromMachine(controlPlane, "tcp://192.0.2.10:80", { count: 12, timeoutMs: 500 })),
			);
		} finally {
			route("del");
		}
	});

	it("keeps a client with its pod where affinity is wanted", async () => {
		const { clusterIP } = await service("web-sticky", { ...web, sessionAffinity: "ClientIP" });
		await until("it answers", async () => (await askFromMachine(n1, `tcp://${clusterIP}:80`))[0]?.pod !== undefined);
		assert.equal(podsOf(await askFromMachine(n1, `tcp://${clusterIP}:80`, { count: 20 })).length, 1);
	});

	it("stays on the node, or in the zone, where the Service wants it", async () => {
		const local = await service("web-inside", { ...web, internalTrafficPolicy: "Local" });
		const zone = await service("web-zone", { ...web, trafficDistribution: "PreferSameZone" });
		for (const [node, pod] of [
			[n1, "web-1"],
			[n2, "web-2"],
		] as const)
			for (const { clusterIP } of [local, zone])
				await meets([pod], async () =>
					podsOf(await askFromPod(cluster, pod, `tcp://${clusterIP}:80`, { count: 10 })),
				).catch((error: Error) => assert.fail(`${node.name}: ${error.message}`));
	});

	it("tells load balancers when its node is being taken away", async () => {
		const { controlPlane } = cluster.shape;
		const eligible = async (): Promise<boolean> =>
			JSON.stringify(await askFromMachine(controlPlane, `tcp://${n1.ip}:10256/healthz`)).includes(
				'"nodeEligible":true',
			);
		assert.equal(await eligible(), true);
		const taint = "ToBeDeletedByClusterAutoscaler=1:PreferNoSchedule";
		await cluster.kubectl("taint", "node", "n1", taint);
		try {
			await until("the node says so", async () => !(await eligible()));
		} finally {
			await cluster.kubectl("taint", "node", "n1", `${taint}-`);
		}
		await until("the node is back", eligible);
	});

	it("loses nothing while a Deployment is rolled out", async () => {
		await cluster.apply(serverDeployment("rolled", 2));
		await cluster.kubectl("rollout", "status", "deployment/rolled", "--timeout=180s");
		const { clusterIP } = await service("rolled", { ...web, selector: { app: "rolled" } });
		await until("it answers", async () => (await askFromMachine(n1, `tcp://${clusterIP}:80`))[0]?.pod !== undefined);
		const asked = askFromPod(cluster, "web-1", `tcp://${clusterIP}:80`, { forMs: 20_000 });
		await cluster.kubectl("rollout", "restart", "deployment/rolled");
		const answers = [...(await asked)];
		const areAllMet = (): boolean => podsOf(answers.filter(({ error }) => error === undefined)).length >= 4;
		await until(
			"all four pods, old and new, have answered",
			async () => {
				if (!areAllMet())
					answers.push(...(await askFromPod(cluster, "web-1", `tcp://${clusterIP}:80`, { forMs: 5_000 })));
				return areAllMet();
			},
			120_000,
		);
		assert.deepEqual(
			answers.filter(({ error }) => error !== undefined),
			[],
			`of ${answers.length}`,
		);
	});

	it("a drill kills a server and says for how long connections still met it", async (context) => {
		const { lines, said } = await drilled(cluster, "l4-backend-crash", "--rate", "100");
		context.diagnostic(JSON.stringify(lines));
		const crash = lines.find(({ drill }) => drill === "l4-backend-crash");
		assert.ok(crash && crash.sent > 100 && crash.lost < crash.sent / 2, said);
		assert.ok(crash.detectMs !== null && crash.restoreMs !== null, said);
	});

	it("loses nothing while it is replaced itself", async () => {
		const { clusterIP } = await service("web-upgrade", web);
		await meets(both, async () => podsOf(await askFromMachine(n1, `tcp://${clusterIP}:80`, { count: 12 })));
		const asked = askFromPod(cluster, "web-1", `tcp://${clusterIP}:80`, { forMs: 15_000 });
		await cluster.kubectlIn(layer4Namespace, "rollout", "restart", "daemonset/keepmesh-layer4");
		const answers = await asked;
		assert.deepEqual(
			answers.filter(({ error }) => error !== undefined),
			[],
			`of ${answers.length}`,
		);
		await cluster.kubectlIn(layer4Namespace, "rollout", "status", "daemonset/keepmesh-layer4", "--timeout=180s");
	});

	it("goes on while the API server is away, also when it was started meanwhile, and follows it again", async () => {
		const { clusterIP } = await service("web-away", web);
		await meets(both, async () => podsOf(await askFromMachine(n1, `tcp://${clusterIP}:80`, { count: 12 })));
		const [planned] = planSetHere(cluster.record).clusters;
		assert.ok(planned);
		await programDown(cluster.record, planned, "kube-apiserver");
		try {
			assert.deepEqual(podsOf(await askFromMachine(n1, `tcp://${clusterIP}:80`, { count: 40 })), both);
		} finally {
			await programUp(cluster.record, planned, "kube-apiserver");
		}
		await until("kubectl works", async () => (await cluster.tryKubectl(["get", "pods"])).code === 0);
		await cluster.kubectl("delete", "pod", "web-2", "--force", "--grace-period=0");
		await meets(
			["web-1"],
			async () => podsOf(await askFromMachine(n1, `tcp://${clusterIP}:80`, { count: 6 })),
			180_000,
		);
	});
});
