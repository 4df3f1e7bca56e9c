import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { credentials, Metadata, makeGenericClientConstructor } from "@grpc/grpc-js";
import { DeltaDiscoveryRequestSchema } from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { requestFor, tokenOf } from "../identity/authority/authority.testing.ts";
import { type Authority, openAuthority } from "../identity/authority/authority.ts";
import { workloadIdentityHeader } from "../identity/authority/certificate-service.ts";
import { JoinTokens } from "../identity/authority/join-tokens.ts";
import {
	createCertificatePath,
	decodeCreateCertificateResponse,
	encodeCreateCertificateRequest,
} from "../identity/certificate-service-codec.ts";
import type { Identity } from "../identity/spiffe-id.ts";
import { typeUrls } from "../xds/resource.ts";
import { callUnary } from "../xds/wire/unary-service.ts";
import { openAdsStream } from "../xds/wire/xds-client.ts";
import { ControlRig } from "./control.testing.ts";

const trustDomain = "cluster.local";
const issuerKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const scratch = mkdtempSync(join(tmpdir(), "keepmesh-15012-"));
const caDirectory = join(scratch, "ca");
const rig = new ControlRig();
const sessions: ClientHttp2Session[] = [];
let authority: Authority;

interface Certified {
	readonly key: string;
	readonly cert: string;
}

before(async () => {
	const keysFile = join(scratch, "keys.json");
	writeFileSync(keysFile, JSON.stringify({ keys: [createPublicKey(issuerKey).export({ format: "jwk" })] }));
	rig.write("pods.yaml", ["reviews/n1", "ratings/n2"].map(podYaml).join("---\n"));
	await rig.start({
		caDirectory,
		secureXds: { host: "127.0.0.1", port: 0 },
		certificates: { serviceAccountTokens: { issuer: "https://k8s", audience: "istio-ca", keysFile } },
	});
	authority = openAuthority({ directory: caDirectory, trustDomain, wallMs: () => Date.now() });
});

after(async () => {
	for (const session of sessions) session.destroy();
	await rig.close();
	rmSync(scratch, { recursive: true });
});

function podYaml(place: string): string {
	const [account, node] = place.split("/");
	return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${account}-1, namespace: default}\nspec: {nodeName: ${node}, serviceAccountName: ${account}}\nstatus: {podIP: 10.0.0.7, phase: Running}\n`;
}

/** As a client of the mesh connects: it knows the roots. */
function open(client?: Certified): ClientHttp2Session {
	const session = connect(`https://127.0.0.1:${rig.secureXdsPort}`, { ca: [...authority.bundle().roots], ...client });
	session.on("error", () => {});
	sessions.push(session);
	return session;
}

async function ask(
	{ client, csr = requestFor(), headers = {} }: { client?: Certified; csr?: string; headers?: Record<string, string> },
	session = open(client),
): Promise<readonly string[]> {
	const message = encodeCreateCertificateRequest({ csr, validitySeconds: 0 });
	return decodeCreateCertificateResponse(
		await callUnary(session, createCertificatePath, message, { timeoutMs: 3_000, headers }),
	);
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function joinToken(node: string): string {
	const wanted = { node, ttlMs: 60_000, rootHash: authority.rootHash, nowMs: Date.now() };
	return new JoinTokens(caDirectory).create(wanted).text;
}

/** Asks with a fresh key and gives back what a client needs to show the certificate. */
async function certify(asked: { client?: Certified; headers?: Record<string, string> }): Promise<Certified> {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const chain = await ask({ ...asked, csr: requestFor(privateKey) });
	const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
	return { key, cert: chain.slice(0, -1).join("") };
}

/** Without asking the control plane: a certificate of `by`. */
function issued(identity: Identity, by: Authority, validitySeconds = 3600): Certified {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const signed = by.sign(requestFor(privateKey), identity, { validitySeconds });
	assert.ok(signed.ok);
	const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
	return { key, cert: signed.chain.slice(0, -1).join("") };
}

interface AdsOutcome {
	readonly first: Promise<"message" | string>;
	readonly closed: Promise<string>;
	readonly close: () => void;
}

/** Opens a proxy's stream; `first` is "message", or why it was closed before one. */
function openAds(
	client: Certified | undefined,
	pod: string,
	serviceAccount: string,
	namespace = "default",
): AdsOutcome {
	let onFirst: (what: string) => void = () => {};
	let onClosed: (why: string) => void = () => {};
	const first = new Promise<string>((done) => {
		onFirst = done;
	});
	const closed = new Promise<string>((done) => {
		onClosed = done;
	});
	const stream = openAdsStream(
		{
			to: { host: "127.0.0.1", port: rig.secureXdsPort },
			tls: { ca: [...authority.bundle().roots], ...client },
		},
		{
			message: () => onFirst("message"),
			closed: (status, because) => {
				onFirst(`${status} ${because}`);
				onClosed(`${status} ${because}`);
			},
		},
	);
	const metadata: JsonObject = { NAMESPACE: namespace, SERVICE_ACCOUNT: serviceAccount };
	const id = `sidecar~10.0.0.7~${pod}.default~default.svc.cluster.local`;
	const request = { typeUrl: typeUrls.cluster, node: { id, metadata } };
	stream.send(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)));
	return { first, closed, close: () => stream.close() };
}

describe("the TLS port of the control plane", () => {
	let node: Certified;
	let workload: Certified;

	it("certifies a node that joins with a token, once", async () => {
		const token = joinToken("n1");
		node = await certify({ headers: bearer(token) });
		await assert.rejects(certify({ headers: bearer(token) }), /grpc-status 16 join token \w+ was used/);
	});

	it("lets the node certify the workloads that are on it, and not those elsewhere", async () => {
		const headers = { [workloadIdentityHeader]: "spiffe://cluster.local/ns/default/sa/reviews" };
		workload = await certify({ client: node, headers });
		const elsewhere = { [workloadIdentityHeader]: "spiffe://cluster.local/ns/default/sa/ratings" };
		await assert.rejects(certify({ client: node, headers: elsewhere }), /grpc-status 14 no resource known here/);
	});

	it("lets the workload renew its own certificate", async () => {
		workload = await certify({ client: workload });
	});

	it("knows nobody by the header alone", async () => {
		const headers = { [workloadIdentityHeader]: "spiffe://cluster.local/ns/default/sa/reviews" };
		await assert.rejects(certify({ headers }), /grpc-status 16 who asks must show/);
	});

	it("takes no certificate of another authority, nor an expired one, and says so", async () => {
		const foreign = openAuthority({ directory: join(scratch, "foreign"), trustDomain, wallMs: () => Date.now() });
		const identity = { trustDomain, namespace: "default", serviceAccount: "reviews" };
		const client = issued(identity, foreign);
		await assert.rejects(certify({ client }), /grpc-status 16 client certificate refused: no root of this mesh/);
		const past = openAuthority({ directory: caDirectory, trustDomain, wallMs: () => Date.now() - 7_200_000 });
		const expired = issued(identity, past, 3600);
		await assert.rejects(certify({ client: expired }), /grpc-status 16 client certificate refused: it has expired/);
		assert.match(await openAds(expired, "reviews-1", "reviews").first, /^16 client certificate refused/);
		const hasty = openAuthority({ directory: caDirectory, trustDomain, wallMs: () => Date.now() + 3_600_000 });
		const early = issued(identity, hasty);
		await assert.rejects(certify({ client: early }), /grpc-status 16 client certificate refused: it is not valid yet/);
	});

	it("certifies nobody on the plaintext port", async () => {
		const headers = { [workloadIdentityHeader]: "spiffe://cluster.local/ns/default/sa/reviews" };
		const plain = connect(`http://127.0.0.1:${rig.xdsPort}`);
		sessions.push(plain);
		await assert.rejects(ask({ headers }, plain), /grpc-status 7 certificates are given over mutual TLS only/);
		await assert.rejects(ask({ headers: bearer(joinToken("n8")) }, plain), /grpc-status 7/);
	});

	it("cuts a certificate's caller off when it expires on an open connection", async () => {
		const identity = { trustDomain, namespace: "default", serviceAccount: "reviews" };
		// Times in certificates are whole seconds, and what the connection costs must fit in.
		const client = issued(identity, authority, 4);
		const session = open(client);
		await ask({}, session);
		const endMs = Date.parse(new X509Certificate(client.cert).validTo);
		await new Promise((done) => setTimeout(done, endMs + 50 - Date.now()));
		await assert.rejects(ask({}, session), /grpc-status 16 client certificate refused: it expired at/);
	});

	it("serves configuration to the workload itself and to the node that it is on", async () => {
		for (const client of [workload, node]) {
			const ads = openAds(client, "reviews-1", "reviews");
			assert.equal(await ads.first, "message");
			ads.close();
			await ads.closed;
		}
	});

	const refusedStreams: readonly (readonly [string, () => Certified | undefined, string, string, string, RegExp])[] = [
		["nobody", () => undefined, "reviews-1", "reviews", "default", /^16 configuration is served to holders/],
		["a workload that names another account", () => workload, "x-1", "ratings", "default", /^7 .* may not have/],
		["a workload that names another's pod", () => workload, "ratings-1", "reviews", "default", /^7 pod ratings-1/],
		["a workload of another namespace", () => workload, "reviews-1", "reviews", "prod", /^7 .* another namespace/],
		["a node that the pod is not on", () => node, "ratings-1", "ratings", "default", /^14 no resource known here/],
		[
			"a node that is not registered",
			() => issued({ trustDomain, part: "node", name: "n7" }, authority),
			"reviews-1",
			"reviews",
			"default",
			/^7 node n7 is not registered/,
		],
		[
			"a control plane",
			() => issued({ trustDomain, part: "control", name: "c" }, authority),
			"reviews-1",
			"reviews",
			"default",
			/^7 .* is no node/,
		],
	];
	for (const [who, client, pod, account, namespace, because] of refusedStreams)
		it(`refuses configuration to ${who}`, async () => {
			assert.match(await openAds(client(), pod, account, namespace).first, because);
		});

	it("serves an Istio agent: bearer token first, then the certificate that it got", async () => {
		const claims = { iss: "https://k8s", aud: ["istio-ca"], sub: "system:serviceaccount:default:reviews" };
		const exp = Math.floor(Date.now() / 1000) + 600;
		const token = tokenOf(issuerKey, { alg: "RS256" }, { ...claims, exp });
		const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
		const keyPem = privateKey.export({ type: "pkcs8", format: "pem" });
		const roots = Buffer.from(authority.bundle().roots.join(""));
		const chain = await asIstioAgent(requestFor(privateKey), token, credentials.createSsl(roots));
		assert.equal(chain.at(-1), authority.rootPem);
		const own = credentials.createSsl(roots, Buffer.from(keyPem), Buffer.from(chain.slice(0, -1).join("")));
		assert.equal((await asIstioAgent(requestFor(), undefined, own)).length, 3);
		await assert.rejects(
			asIstioAgent(
				requestFor(),
				token.replace(/\.([\w-]+)$/, (_, signature) => `.${signature.slice(1)}A`),
				credentials.createSsl(roots),
			),
			/UNAUTHENTICATED/,
		);
	});

	it("refuses a megabyte and counts it, and answers the next", async () => {
		const token = joinToken("n4");
		await assert.rejects(ask({ csr: "x".repeat(1_000_000), headers: bearer(token) }), /grpc-status 8/);
		assert.equal((await ask({ headers: bearer(token) })).length, 3);
		const text = await (await fetch(`${rig.apiUrl}/metrics`)).text();
		assert.match(text, /keepmesh_ca_requests_total\{outcome="refused",reason="request_too_long"\} 1\n/);
		assert.match(text, /citadel_server_root_cert_expiry_timestamp \d{10}/);
	});

	it("shuts a node out at once when its registration is removed", async () => {
		const leaving = await certify({ headers: bearer(joinToken("n5")) });
		rmSync(join(caDirectory, "registrations", "n5.json"));
		await assert.rejects(certify({ client: leaving }), /grpc-status 7 node n5 is not registered/);
	});

	it("speaks TLS 1.2 and newer, and h2 only", async () => {
		const old = connectTls({ port: rig.secureXdsPort, host: "127.0.0.1", maxVersion: "TLSv1.1", minVersion: "TLSv1" });
		const [error] = (await once(old, "error")) as [Error];
		assert.match(error.message, /version|protocol/i);
	});

	it("is not held up by clients that never finish their handshake", async () => {
		const idle: Socket[] = [];
		let cut = 0;
		for (let count = 0; count < 300; count++) {
			const socket = connectTcp(rig.secureXdsPort, "127.0.0.1");
			socket.on("error", () => {});
			socket.on("close", () => cut++);
			idle.push(socket);
		}
		for (let waited = 0; cut < 300 - 256 && waited < 100; waited++) await new Promise((done) => setTimeout(done, 50));
		for (const socket of idle) socket.destroy();
		assert.ok(cut >= 300 - 256, `${cut} were cut off`);
		// From this same address it goes on once the control plane has seen that those are gone.
		let chain: readonly string[] = [];
		for (let tries = 0; chain.length === 0 && tries < 40; tries++) {
			chain = await ask({ client: workload }).catch(() => []);
			if (chain.length === 0) await new Promise((done) => setTimeout(done, 50));
		}
		assert.equal(chain.length, 3);
	});

	it("takes a new issuer without breaking streams, and a dropped root breaks those that rest on it", async () => {
		const [oldRoot] = authority.roots();
		const ads = openAds(node, "reviews-1", "reviews");
		assert.equal(await ads.first, "message");
		let isClosed = false;
		void ads.closed.then(() => {
			isClosed = true;
		});
		const added = authority.addRoot();
		authority.signWith(added.issuerKeyId);
		const newNode = await untilFrom(added.issuerKeyId, () => certify({ client: node }));
		assert.equal(isClosed, false);
		const other = openAds(newNode, "reviews-1", "reviews");
		assert.equal(await other.first, "message");
		assert.match(await ads.closed, /a newer stream of the same node took over/);
		const last = openAds(
			issued({ trustDomain, namespace: "default", serviceAccount: "spare" }, authority),
			"spare-1",
			"spare",
		);
		assert.equal(await last.first, "message");
		const resting = openAds(workload, "reviews-2", "reviews");
		assert.equal(await resting.first, "message");
		authority.dropRoot(oldRoot?.fingerprint ?? "");
		assert.match(await resting.closed, /^16 client certificate refused: the mesh no longer trusts its root/);
		await assert.rejects(certify({ client: workload }), /grpc-status 16 client certificate refused/);
		assert.equal((await ask({ client: newNode })).length, 3);
		other.close();
		last.close();
	});

	/** Until the control plane has followed: within a second or so. */
	async function untilFrom(issuerKeyId: string, make: () => Promise<Certified>): Promise<Certified> {
		const issuer = authority.issuers().find(({ keyId }) => keyId === issuerKeyId);
		for (let attempt = 0; attempt < 50; attempt++) {
			const made = await make();
			if (made.cert.includes(issuer?.certificatePem.trim() ?? "none")) return made;
			await new Promise((done) => setTimeout(done, 50));
		}
		throw new Error("the control plane never signed with the new issuer");
	}
});

/** With the gRPC library and metadata that Istio's agents use. */
function asIstioAgent(csr: string, token: string | undefined, channel: ReturnType<typeof credentials.createSsl>) {
	const Client = makeGenericClientConstructor(
		{
			createCertificate: {
				path: createCertificatePath,
				requestStream: false,
				responseStream: false,
				requestSerialize: (text: string) =>
					Buffer.from(encodeCreateCertificateRequest({ csr: text, validitySeconds: 86_400 })),
				requestDeserialize: String,
				responseSerialize: () => Buffer.of(),
				responseDeserialize: decodeCreateCertificateResponse,
			},
		},
		"IstioCertificateService",
	);
	// Istio's agents reach the control plane by an address and verify this name.
	const client = new Client(`127.0.0.1:${rig.secureXdsPort}`, channel, {
		"grpc.ssl_target_name_override": "istiod.istio-system.svc",
	});
	const metadata = new Metadata();
	metadata.set("ClusterID", "Kubernetes");
	if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
	return new Promise<readonly string[]>((done, fail) => {
		client.createCertificate?.(csr, metadata, (error: Error | null, chain: readonly string[]) => {
			client.close();
			if (error) fail(error);
			else done(chain);
		});
	});
}
