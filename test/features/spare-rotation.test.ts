// The node's spare Envoy at work for one pod while the pod's policy, certificate and roots change, and while the agent that feeds
// it is another: what it shows and trusts, and what its agent says of it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import type { WorkloadKeyPair } from "../../src/envoy/secret/workload-secrets.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { envoyAdmin } from "../../src/node/envoy-admin.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import type { PodSpec } from "../../src/node/plan/pod-spec.ts";
import { sparePaths } from "../../src/node/plan/spare-paths.ts";
import { NodeSpare } from "../../src/node/spare/node-spare.ts";
import type { SpareWord } from "../../src/node/spare/spare-words.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";
import { listenInNamespace } from "./in-namespace.ts";
import { httpOver } from "./mesh-in-a-process.ts";
import { httpServer } from "./servers.ts";
import { testAuthority } from "./test-authority.ts";

const ip = "10.77.0.2";
const uid = "uid-alpha";
const spiffeId = "spiffe://cluster.local/ns/default/sa/alpha";

/** What the control plane would send to the pod's sidecar. */
function configWith(mode: "PERMISSIVE" | "STRICT"): ProxyConfig {
	const { objects, problems } = readResourceFile(
		"test.yaml",
		`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: ${mode} } }
---
apiVersion: v1
kind: Service
metadata: { name: alpha, namespace: default }
spec: { clusterIP: 10.96.0.2, selector: { app: alpha }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: alpha, namespace: default, labels: { app: alpha, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: alpha }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`,
	);
	assert.deepEqual(problems, []);
	const { snapshot } = applyChanges(
		emptySnapshot(),
		objects.map((object) => ({ type: "objectApplied" as const, object })),
	);
	const made = proxyFromNode({
		id: `sidecar~${ip}~alpha.default~default.svc.cluster.local`,
		metadata: { NAMESPACE: "default", LABELS: { app: "alpha" }, INTERCEPTION_MODE: "REDIRECT", KEEPMESH_SDS: "true" },
	});
	assert.ok(made.ok);
	return generateProxyConfig(made.proxy, viewFor(snapshot, made.proxy));
}

describe("the spare Envoy of a pod whose policy, certificate or roots change", { skip: cannotRun }, () => {
	let rig: Rig;
	let alpha: Host;
	let outside: Host;
	let spare: NodeSpare;
	const server = httpServer("alpha");
	const words: SpareWord["type"][] = [];
	const [old, next] = [testAuthority(), testAuthority()];
	const [oldLeaf, newLeaf] = [old.issue(spiffeId), next.issue(spiffeId)];
	let pair: WorkloadKeyPair = oldLeaf;
	let accepted = configWith("PERMISSIVE");

	const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
		const endMs = performance.now() + 30_000;
		while (!(await isSo())) {
			if (performance.now() > endMs) assert.fail(`not so: ${what}`);
			await sleep(10);
		}
	};
	const start = async (): Promise<void> => {
		words.length = 0;
		const pod: Partial<PodSpec> = { uid, name: "alpha", namespace: "default", netns: alpha.netns };
		spare = new NodeSpare(
			{
				nodeName: "n1",
				envoy: envoyBinary,
				paths: sparePaths(rig.directory),
				keyPairOf: () => pair,
				tell: (_, { type }) => words.push(type),
			},
			{ clock: realClock, log: silentLog },
		);
		spare.add(pod as PodSpec);
		spare.allow(uid, true);
		spare.restore(uid, accepted);
		await spare.begin();
	};
	const because = () => spare.statuses()[0]?.because;

	before(async () => {
		rig = createRig();
		alpha = rig.addHost("alpha", ip);
		outside = rig.addHost("outside", "10.77.0.9");
		listenInNamespace(server, alpha.netns, 8080);
		execFileSync("nsenter", [`--net=${alpha.netns}`, "--", "nft", "-f", "-"], {
			input:
				"table ip spare { chain inbound { type nat hook prerouting priority dstnat; meta l4proto tcp redirect to :15106; }; }",
		});
		await start();
		await until("the spare serves", () => words.includes("spareUp"));
	});
	after(async () => {
		await spare?.stop();
		server.close();
		rig?.close();
		rmSync(rig.directory, { recursive: true, force: true });
	});

	const open = () => connectInNamespace(outside.netns, { host: ip, port: 8080 }, 2000);
	/** With a caller's certificate, and the answer's status: 0 when the connection was cut. */
	const call = async (caller: WorkloadKeyPair): Promise<{ readonly status: number; readonly shown: string }> => {
		const socket = connectTls({
			socket: await open(),
			key: caller.keyPem,
			cert: caller.chainPem,
			rejectUnauthorized: false,
			ALPNProtocols: ["istio-http/1.1"],
		});
		const shown = await shownBy(socket);
		const status = await httpOver(socket, {}).then(
			(answer) => answer.status,
			() => 0,
		);
		socket.destroy();
		return { status, shown };
	};
	const plaintext = async () =>
		httpOver(await open(), {}).then(
			({ status }) => status,
			() => 0,
		);
	const serialOf = ({ chainPem }: WorkloadKeyPair) => new X509Certificate(chainPem).serialNumber;

	it("can take its connections after a policy that changed filter chains alone", async () => {
		assert.equal(await plaintext(), 200);
		accepted = configWith("STRICT");
		const listeners = (accepted.get(typeUrls.listener)?.parts ?? []).flatMap(({ resources }) => [
			...resources.values(),
		]);
		spare.accept(uid, { typeUrl: typeUrls.listener, isFirst: false, resources: listeners, removed: [] });
		await until("plaintext is refused", async () => (await plaintext()) === 0);
		await until(`${because()} is over`, () => because() === "the spare listens");
		assert.equal(words.at(-1), "spareUp");
		assert.equal(words.filter((word) => word === "spareDown").length, 1, "only when it was started");
	});

	it("shows the new certificate and trusts the roots of each stage of a rotation, once it has said so", async () => {
		const both = old.rootPem + next.rootPem;
		const callers = { old: old.issue(spiffeId), next: next.issue(spiffeId) };
		const stages: readonly (readonly [string, WorkloadKeyPair, Record<keyof typeof callers, number>])[] = [
			["before", oldLeaf, { old: 200, next: 0 }],
			["both roots", { ...oldLeaf, rootPem: both }, { old: 200, next: 200 }],
			["a new leaf", { ...newLeaf, rootPem: both }, { old: 200, next: 200 }],
			["the old root dropped", newLeaf, { old: 0, next: 200 }],
		];
		for (const [stage, now, expected] of stages) {
			const changes = now !== pair;
			pair = now;
			spare.certificateChanged(uid);
			if (changes) assert.match((await spare.lackOfTrust(uid)) ?? "nothing", /has not confirmed/, stage);
			await until(stage, async () => (await spare.lackOfTrust(uid)) === undefined);
			for (const name of ["old", "next"] as const) {
				const { status, shown } = await call(callers[name]);
				assert.deepEqual([status, shown], [expected[name], serialOf(now)], `${stage}: a caller of the ${name} root`);
			}
		}
		assert.equal(words.at(-1), "spareUp");
	});

	it("has a new certificate also while its sidecar accepts everything anew, in parts", async () => {
		const routes = (accepted.get(typeUrls.route)?.parts ?? []).flatMap(({ resources }) => [...resources.values()]);
		const names = routes.map(({ name }) => name);
		spare.accept(uid, { typeUrl: typeUrls.route, isFirst: false, resources: [], removed: names });
		await until("it is not whole", () => /not whole/.test(because() ?? ""));
		pair = next.issue(spiffeId);
		spare.certificateChanged(uid);
		await until("it is confirmed", async () => (await spare.lackOfTrust(uid)) === undefined);
		assert.equal((await call(next.issue(spiffeId))).shown, serialOf(pair));
		spare.accept(uid, { typeUrl: typeUrls.route, isFirst: false, resources: routes, removed: [] });
		await until("it is whole", () => because() === "the spare listens");
	});

	it("is left as it is by the next agent, which knows at once that it serves", async () => {
		const updates = async () => {
			const mask = "name,active_state.last_updated,warming_state.last_updated,draining_state.last_updated";
			const path = `/config_dump?resource=dynamic_listeners&mask=${encodeURIComponent(mask)}`;
			return (await envoyAdmin(sparePaths(rig.directory).adminSocket).get(path))?.body;
		};
		const before = { updates: await updates(), pid: spare.pid };
		const kept = connectTls({
			socket: await open(),
			key: pair.keyPem,
			cert: pair.chainPem,
			rejectUnauthorized: false,
			ALPNProtocols: ["istio-http/1.1"],
		});
		await shownBy(kept);
		await spare.close();
		const calls = async (): Promise<readonly number[]> => {
			const statuses: number[] = [];
			for (let count = 0; count < 40; count++) statuses.push((await call(pair)).status);
			return statuses;
		};
		const [statuses] = await Promise.all([calls(), start()]);
		await until("the spare serves", () => words.length > 0);
		assert.deepEqual(words, ["spareUp"]);
		assert.deepEqual({ updates: await updates(), pid: spare.pid }, before);
		assert.deepEqual(new Set(statuses), new Set([200]));
		assert.equal((await httpOver(kept, {})).status, 200);
		kept.destroy();
	});
});

function shownBy(socket: TLSSocket): Promise<string> {
	return new Promise((resolve, reject) => {
		socket.once("secureConnect", () => resolve(socket.getPeerX509Certificate()?.serialNumber ?? "none"));
		socket.once("error", reject);
	});
}
