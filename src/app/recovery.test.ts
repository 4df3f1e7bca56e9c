// An authority whose root expired while everything was off: no control plane starts, no node gets in. Then what
// docs/security-recovery.md says, with real parts: control plane, agent, Envoys.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Authority } from "../identity/authority/authority.ts";
import { dayMs, rootTtlMs } from "../identity/authority/new-certificates.ts";
import { publicKeyDer } from "../identity/authority/signing-key.ts";
import { certifiedKey, newKey } from "../node/identity/certified-key.ts";
import { IdentityStore } from "../node/identity/identity-store.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import { type PodSpec, parsePodSpec } from "../node/plan/pod-spec.ts";
import { silentLog } from "../runtime/log.ts";
import { type MutualTlsMesh, serviceIp, startMutualTlsMesh } from "./mutual-tls-mesh.testing.ts";
import { type RunningNode, startNode } from "./node.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const keepmesh = (...argv: string[]) =>
	spawnSync(process.execPath, ["--no-warnings", program, ...argv], { encoding: "utf8", timeout: 20_000 });

describe("a mesh whose root has expired", { skip: cannotRun }, () => {
	let rig: Rig;
	let mesh: MutualTlsMesh | undefined;
	let node: RunningNode | undefined;
	let ca = "";
	let state = "";
	let token: string | undefined;

	before(() => {
		rig = createRig();
		ca = join(rig.directory, "ca");
		state = join(rig.directory, "s");
		const longAgoMs = Date.now() - rootTtlMs - 2 * dayMs;
		const authority = new Authority({ directory: ca, trustDomain: "cluster.local", wallMs: () => longAgoMs });
		const keyPem = newKey();
		const identity = { trustDomain: "cluster.local", part: "node", name: "n1" } as const;
		const signed = authority.signKey(publicKeyDer(createPrivateKey(keyPem)), identity);
		assert.ok(signed.ok);
		// What the node had when it was switched off.
		mkdirSync(state, { mode: 0o711 });
		const store = new IdentityStore(nodePaths(state).identity, silentLog);
		store.saveNode(certifiedKey(keyPem, signed.chain));
		store.saveRoots([authority.rootPem]);
	});
	after(async () => {
		await node?.close({ stopProxies: true, graceMs: 0 });
		await mesh?.close();
		rig?.close();
	});

	it("does not start, and says what to type", () => {
		const flags = ["--resources", rig.directory, "--ca", ca, "--xds", "127.0.0.1:0", "--api", "127.0.0.1:0"];
		const { status, stderr } = keepmesh("control", ...flags);
		assert.equal(status, 65, stderr);
		assert.match(stderr, /authority's own certificate expired at 20/);
		assert.ok(stderr.includes(`next: keepmesh certs recover --ca ${ca}`), stderr);
	});

	it("is not recovered where there is nothing to recover", () => {
		assert.equal(keepmesh("certs", "recover", "--ca", rig.directory).status, 66);
	});

	it("serves again with the same keys after `certs recover`, and its nodes come back with a new token", async () => {
		const recovered = keepmesh("certs", "recover", "--ca", ca);
		assert.equal(recovered.status, 0, recovered.stderr);
		assert.match(recovered.stdout, /root .*expired 20\d\d-\d\d-\d\d, now lasts until 20/);
		assert.equal(keepmesh("certs", "recover", "--ca", ca).status, 1, "nothing has expired any more");
		mesh = await startMutualTlsMesh(rig);
		const { port } = mesh;
		const started = await startNode(
			{
				name: "n1",
				state,
				control: [{ host: "127.0.0.1", port }],
				envoy: envoyBinary,
				security: { mode: "mutualTls", readToken: () => token, tokenPlace: "this test" },
			},
			{ log: silentLog },
		);
		node = started;
		await until("the node says what it lacks", () =>
			/expired.*keepmesh token create --node n1/.test(started.identity().node?.because ?? ""),
		);
		token = mesh.newToken("n1");
		await until("the node is certified again", () => started.identity().node?.state === "good");
		const [client, web] = [rig.addHost("client", "10.77.0.2"), rig.addHost("web", "10.77.0.3")];
		await web.run({ op: "serveHttp", port: 8080, name: "web" });
		for (const [host, name, app] of [
			[client, "client", "client"],
			[web, "web-1", "web"],
		] as const) {
			mesh.placePod(host, name, app);
			const added = await started.agent.add(podOf(host, name, app));
			assert.ok(added.ok, JSON.stringify(added));
		}
		mesh.serve([web]);
		const ask = async (): Promise<unknown> =>
			(await client.run<{ status?: number }>({ op: "http", host: serviceIp, port: 80 })).status;
		await until("a request over mutual TLS is answered", async () => (await ask()) === 200);
	});
});

function podOf({ ip, netns }: Host, name: string, app: string): PodSpec {
	const parsed = parsePodSpec({ name, uid: name, ip, netns, labels: { app }, serviceAccount: app, concurrency: 1 });
	assert.ok(parsed.ok, JSON.stringify(parsed));
	return parsed.pod;
}

async function until(what: string, is: () => Promise<boolean> | boolean): Promise<void> {
	const endMs = performance.now() + 15_000;
	while (!(await is())) {
		if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
