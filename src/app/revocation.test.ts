// A certificate of a workload that the operator of a plugged-in authority revokes, in a mesh of real parts: control plane, node,
// Envoys. The list goes from the authority's files to every Envoy, and away again.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { signerOf } from "../identity/authority/signing-key.ts";
import { readCertificate } from "../identity/certificate-reader.ts";
import { revocationListPem } from "../identity/revocation-list.testing.ts";
import { connectInNamespace } from "../lab/namespace-socket.ts";
import { parseCertifiedKey } from "../node/identity/certified-key.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import { parsePodSpec } from "../node/plan/pod-spec.ts";
import { silentLog } from "../runtime/log.ts";
import { type MutualTlsMesh, serviceIp, startMutualTlsMesh } from "./mutual-tls-mesh.testing.ts";
import { type RunningNode, startNode } from "./node.ts";

describe("a certificate that the operator revokes", { skip: cannotRun }, () => {
	let rig: Rig;
	let mesh: MutualTlsMesh;
	let node: RunningNode | undefined;
	let web: Host;
	let client: Host;
	let stranger: Host;
	let state = "";
	let ca = "";

	const until = async (what: string, is: () => Promise<boolean> | boolean): Promise<void> => {
		const endMs = performance.now() + 15_000;
		while (!(await is())) {
			if (performance.now() > endMs) throw new Error(`in vain: ${what}: ${JSON.stringify(node?.identity())}`);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	const addPod = async (host: Host, name: string): Promise<void> => {
		mesh.placePod(host, name, name);
		const pod = { name, uid: name, ip: host.ip, netns: host.netns, labels: { app: name }, serviceAccount: name };
		const parsed = parsePodSpec({ ...pod, concurrency: 1 });
		assert.ok(parsed.ok);
		await node?.agent.add(parsed.pod);
	};
	/** As a thief with the client's key would. */
	const askWithItsKey = async (): Promise<string> => {
		const directory = join(nodePaths(state).identity, "workloads");
		const keys = readdirSync(directory).map((name) => parseCertifiedKey(readFileSync(join(directory, name), "utf8")));
		const own = keys.find(({ uri }) => uri.endsWith("/sa/client"));
		if (!own) throw new Error("the client has no certificate");
		const socket = await connectInNamespace(stranger.netns, { host: web.ip, port: 8080 }, 2000);
		const tls = connect({ socket, cert: own.chainPem, key: own.keyPem, rejectUnauthorized: false });
		return new Promise((resolve) => {
			tls.on("error", () => resolve("refused")).on("close", () => resolve("refused"));
			tls.on("data", (data) => resolve(data.toString().slice(0, 12)));
			tls.write("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
		}).finally(() => tls.destroy()) as Promise<string>;
	};
	const putList = (serials: readonly string[], nextUpdateMs = Date.now() + 3_600_000): void => {
		const facts = readCertificate(new X509Certificate(readFileSync(join(ca, "ca-cert.pem"))).raw);
		assert.ok(facts);
		const fields = {
			issuerName: facts.subjectName,
			authorityKeyId: Buffer.from(facts.subjectKeyId ?? "", "hex"),
			serials: serials.map((serial) => Buffer.from(serial, "hex")),
			nextUpdateMs,
		};
		const signer = signerOf(createPrivateKey(readFileSync(join(ca, "ca-key.pem"))));
		writeFileSync(join(ca, "next.pem"), revocationListPem(fields, signer));
		renameSync(join(ca, "next.pem"), join(ca, "ca-crl.pem"));
	};

	before(async () => {
		rig = createRig();
		ca = join(rig.directory, "ca");
		mkdirSync(ca, { mode: 0o700 });
		const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /O=plug";
		const usage = "-addext keyUsage=critical,keyCertSign,cRLSign -keyout ca-key.pem -out ca-cert.pem";
		execFileSync("openssl", `${how} ${usage}`.split(" "), { cwd: ca, stdio: "pipe" });
		mesh = await startMutualTlsMesh(rig);
		state = join(rig.directory, "s");
		const token = mesh.newToken("n1");
		node = await startNode(
			{
				name: "n1",
				state,
				control: [{ host: "127.0.0.1", port: mesh.port }],
				envoy: envoyBinary,
				security: { mode: "mutualTls", readToken: () => token, tokenPlace: "this test" },
			},
			{ log: silentLog },
		);
		[web, client, stranger] = [
			rig.addHost("web", "10.77.0.3"),
			rig.addHost("client", "10.77.0.2"),
			rig.addHost("stranger", "10.77.0.4"),
		];
		await web.run({ op: "serveHttp", port: 8080, name: "web" });
		await addPod(web, "web");
		await addPod(client, "client");
		mesh.serve([web]);
		await until("the first request", async () => (await ask()) === 200);
	});
	after(async () => {
		await node?.close({ stopProxies: true, graceMs: 0 });
		await mesh?.close();
		rig?.close();
	});

	const ask = async (): Promise<number | undefined> =>
		(await client.run<{ status?: number }>({ op: "http", host: serviceIp, port: 80 })).status;
	const serialOf = (account: string): string => {
		const { workloads = {} } = node?.identity() ?? {};
		return Object.values(workloads).find(({ uri }) => uri?.endsWith(account))?.serial ?? "";
	};

	it("is refused by Envoys once the list is there, and each proxy confirms it; without the list it counts again", async () => {
		assert.equal(await askWithItsKey(), "HTTP/1.1 200");
		putList([serialOf("/sa/client")]);
		await until("refused", async () => (await askWithItsKey()) === "refused");
		await until("confirmed", async () => (await mesh.blockers()).length === 0);
		assert.deepEqual(node?.identity().pendingTrust, {});
		putList([serialOf("/sa/nobody") || "0102"]);
		await until("taken again", async () => (await askWithItsKey()) === "HTTP/1.1 200");
		assert.equal(await ask(), 200);
	});

	it("is taken, and all others go on, when the list has expired: the node says so", async () => {
		putList([serialOf("/sa/client")], Date.now() - 1_000);
		await until("told", () => node?.identity().noRevocation !== undefined);
		assert.match(node?.identity().noRevocation ?? "", /a list expired at/);
		assert.equal(await askWithItsKey(), "HTTP/1.1 200");
		rmSync(join(ca, "ca-crl.pem"));
		await until("no list, nothing to say", () => node?.identity().noRevocation === undefined);
		assert.equal(await askWithItsKey(), "HTTP/1.1 200");
	});
});
