// Revocation lists of the mesh's authority (root -> issuer -> leaf), as Envoys get them: who is refused, and what a list that
// lacks something costs. What Envoy does with a bad list is why nodes hand it good ones only.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { WorkloadKeyPair } from "../../src/envoy/secret/workload-secrets.ts";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { answerTo, clientId, clusterIp, get, podPorts, serverId, serverIp, withMode } from "./mutual-tls-mesh.ts";
import type { RunningProxy } from "./running-proxy.ts";
import { clientFirst, httpServer } from "./servers.ts";
import { testAuthority } from "./test-authority.ts";

describe("a revoked workload certificate", { skip: cannotRun }, () => {
	const authority = testAuthority({ issuer: true });
	const [ofServer, ofClient, good, stolen] = [serverId, clientId, clientId, clientId].map(authority.issue) as [
		WorkloadKeyPair,
		WorkloadKeyPair,
		WorkloadKeyPair,
		WorkloadKeyPair,
	];
	let mesh: MeshInAProcess;
	let client: RunningProxy;
	before(async () => {
		mesh = await MeshInAProcess.start(withMode("STRICT"), { certificate: ofServer, interception: "TPROXY" });
		client = await mesh.addProxy("client", "10.77.0.3", { certificate: ofClient });
		mesh.serve(httpServer("p"), mesh.proxyHost, podPorts.http);
		mesh.serve(clientFirst("p"), mesh.proxyHost, podPorts.bytes);
	});
	after(() => mesh?.close());

	const publish = (crlPem: string): Promise<void> => {
		const revocation = crlPem === "" ? {} : { crlPem };
		mesh.firstProxy.certificate = { ...ofServer, ...revocation };
		client.certificate = { ...ofClient, ...revocation };
		return mesh.publish();
	};
	const ask = async ({ chainPem, keyPem, rootPem }: WorkloadKeyPair): Promise<string> => {
		const options = { cert: chainPem, key: keyPem, ca: rootPem, checkServerIdentity: () => undefined };
		const answer = await answerTo(mesh.connectTls(serverIp, podPorts.http, options, client.host), get);
		return answer.slice(0, 12);
	};
	const askThroughMesh = async (): Promise<number> =>
		(await mesh.http(clusterIp, 80, { host: "p" }, client.host)).status;

	it("of a client is refused, others are not, and it is taken again when the list is gone", async () => {
		assert.deepEqual([await ask(stolen), await ask(good)], ["HTTP/1.1 200", "HTTP/1.1 200"]);
		await publish(authority.revocationList([stolen]));
		assert.deepEqual([await ask(stolen), await ask(good)], ["", "HTTP/1.1 200"]);
		assert.equal(await askThroughMesh(), 200);
		await publish("");
		assert.equal(await ask(stolen), "HTTP/1.1 200");
	});

	it("of a server is refused by the Envoys of its clients, on connections that are new", async () => {
		const newConnection = () => answerTo(mesh.connect(clusterIp, 83, client.host), "bytes");
		assert.equal(await newConnection(), "p bytes");
		await publish(authority.revocationList([ofServer]));
		assert.equal(await newConnection(), "");
		assert.equal(await askThroughMesh(), 200, "over a connection that stood before");
		await publish("");
		assert.equal(await newConnection(), "p bytes");
	});

	it("needs a list of the issuer alone: with one of the root only, or an expired one, Envoy refuses everybody", async () => {
		await publish(authority.revocationList([], { by: "root" }));
		assert.equal(await ask(good), "");
		await publish(authority.revocationList([], { by: "root" }) + authority.revocationList([]));
		assert.equal(await ask(good), "HTTP/1.1 200");
		await publish(authority.revocationList([], { nextUpdateMs: Date.now() - 1_000 }));
		assert.equal(await ask(good), "");
		await publish("");
		assert.equal(await ask(good), "HTTP/1.1 200");
	});
});
