import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { readCertificate } from "../certificate-reader.ts";
import { derFromPem } from "../certificate-request.ts";
import { decodeCreateCertificateResponse, encodeCreateCertificateRequest } from "../certificate-service-codec.ts";
import { countedMetrics, requestFor, tokenOf } from "./authority.testing.ts";
import { openAuthority } from "./authority.ts";
import { type CertificateCall, CertificateService, workloadIdentityHeader } from "./certificate-service.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-service-"));
after(() => rmSync(directory, { recursive: true }));
const clock = new VirtualClock(Date.now());
const authority = openAuthority({ directory, trustDomain: "mesh.example", wallMs: () => clock.wallMs() });
const issuerKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const keysFile = join(directory, "keys.json");
writeFileSync(keysFile, JSON.stringify({ keys: [createPublicKey(issuerKey).export({ format: "jwk" })] }));
const { metrics, sums } = countedMetrics();
const placed = new Set(["n1 default reviews"]);
const service = new CertificateService({
	authority,
	isOnNode: (node, { namespace, serviceAccount }) => placed.has(`${node} ${namespace} ${serviceAccount}`),
	serviceAccountTokens: new ServiceAccountTokens({ issuer: "https://k8s", audience: "istio-ca", keysFile }),
	clock,
	log: silentLog,
	metrics,
});

const reviews = "spiffe://mesh.example/ns/default/sa/reviews";
const nodeUri = (name: string) => `spiffe://mesh.example/keepmesh/node/${name}`;
const token = (node: string, allow: readonly { namespace: string; serviceAccount: string }[] = []) =>
	service.tokens.create({ node, ttlMs: 3_600_000, allow, rootHash: authority.rootHash, nowMs: clock.wallMs() }).text;

interface Asked {
	readonly uri?: string;
	readonly refusedCertificate?: string;
	readonly bearer?: string;
	readonly workload?: string;
	readonly csr?: string;
	readonly validitySeconds?: number;
	readonly message?: Uint8Array;
	readonly address?: string;
}

function ask(asked: Asked) {
	const { address = "10.0.0.1", bearer, csr = requestFor(), uri, validitySeconds = 0, workload } = asked;
	const call: CertificateCall = {
		message: asked.message ?? encodeCreateCertificateRequest({ csr, validitySeconds }),
		peer: {
			address,
			...(uri === undefined ? {} : { uri }),
			...(asked.refusedCertificate === undefined ? {} : { refusedCertificate: asked.refusedCertificate }),
		},
		headers: {
			...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
			...(workload === undefined ? {} : { [workloadIdentityHeader]: workload }),
		},
	};
	return service.createCertificate(call);
}

/** The one URI of the certificate that came. */
function certified(asked: Asked): string {
	const outcome = ask(asked);
	assert.ok(outcome.ok, outcome.ok ? "" : outcome.because);
	const [leaf = ""] = decodeCreateCertificateResponse(outcome.message);
	const uris = readCertificate(derFromPem("CERTIFICATE", leaf) ?? new Uint8Array())?.uris;
	assert.equal(uris?.length, 1);
	return uris[0] ?? "";
}

const refusedSum = (reason: string): number =>
	sums.get(`keepmesh_ca_requests_total{outcome=refused,reason=${reason}}`) ?? 0;

/** Refused for that reason, and counted so. */
function refused(asked: Asked, grpcStatus: number, reason: string): string {
	const before = refusedSum(reason);
	const outcome = ask(asked);
	assert.ok(!outcome.ok, "was certified");
	assert.equal(outcome.grpcStatus, grpcStatus, outcome.because);
	assert.equal(refusedSum(reason), before + 1, `not counted as ${reason}: ${outcome.because}`);
	return outcome.because;
}

describe("a node", () => {
	it("joins with its token, and again with the same key when the answer was lost", () => {
		const bearer = token("n1");
		const csr = requestFor();
		assert.equal(certified({ bearer, csr }), nodeUri("n1"));
		assert.equal(certified({ bearer, csr }), nodeUri("n1"));
		refused({ bearer }, 16, "token_used");
	});

	it("does not lose its token by a request that is no good", () => {
		const bearer = token("n9");
		refused({ bearer, csr: "no request" }, 3, "malformed_request");
		assert.equal(certified({ bearer }), nodeUri("n9"));
	});

	it("renews itself", () => {
		assert.equal(certified({ uri: nodeUri("n1") }), nodeUri("n1"));
	});

	it("is given a life of a week, so that it comes back after a week-end off", () => {
		const outcome = ask({ uri: nodeUri("n1") });
		assert.ok(outcome.ok);
		const [leaf = ""] = decodeCreateCertificateResponse(outcome.message);
		const facts = readCertificate(derFromPem("CERTIFICATE", leaf) ?? new Uint8Array());
		assert.equal(Math.round(((facts?.notAfterMs ?? 0) - clock.wallMs()) / 86_400_000), 7);
	});

	it("certifies the workloads that a resource places on it, by header or by Istio's metadata", () => {
		assert.equal(certified({ uri: nodeUri("n1"), workload: reviews }), reviews);
		const struct = (text: string, field: number) => [field * 8 + 2, text.length, ...Buffer.from(text)];
		const entry = [...struct("ImpersonatedIdentity", 1), 18, reviews.length + 2, ...struct(reviews, 3)];
		const metadata = [34, entry.length + 2, 10, entry.length, ...entry];
		const message = Uint8Array.from([
			...encodeCreateCertificateRequest({ csr: requestFor(), validitySeconds: 0 }),
			...metadata,
		]);
		assert.equal(certified({ uri: nodeUri("n1"), message }), reviews);
	});

	it("is told to try again for a workload that is not known to be on it, and gets it when it is", () => {
		const ratings = "spiffe://mesh.example/ns/default/sa/ratings";
		assert.match(refused({ uri: nodeUri("n1"), workload: ratings }, 14, "not_on_node"), /on node n1/);
		placed.add("n1 default ratings");
		assert.equal(certified({ uri: nodeUri("n1"), workload: ratings }), ratings);
	});

	it("certifies what its registration allows, and nothing of another node's", () => {
		certified({ bearer: token("n2", [{ namespace: "prod", serviceAccount: "db" }]) });
		assert.equal(certified({ uri: nodeUri("n2"), workload: "spiffe://mesh.example/ns/prod/sa/db" }).slice(-5), "sa/db");
		refused({ uri: nodeUri("n2"), workload: reviews }, 14, "not_on_node");
	});

	it("asks in vain for another node, a control plane, another trust domain or nonsense", () => {
		const others = [
			nodeUri("n2"),
			"spiffe://mesh.example/keepmesh/control/c1",
			"spiffe://other.example/ns/default/sa/reviews",
			"spiffe://mesh.example/ns/default/sa/reviews/../admin",
			"reviews",
			`spiffe://mesh.example/ns/default/sa/${"a".repeat(10_000)}`,
		];
		for (const workload of others) refused({ uri: nodeUri("n1"), workload }, 7, "foreign_identity");
	});

	it("is shut out when its registration is removed", () => {
		certified({ bearer: token("n3") });
		assert.ok(service.registrations.remove("n3"));
		refused({ uri: nodeUri("n3") }, 7, "node_not_registered");
		refused({ uri: nodeUri("n3"), workload: reviews }, 7, "node_not_registered");
	});
});

describe("a workload", () => {
	it("renews itself and nobody else", () => {
		assert.equal(certified({ uri: reviews }), reviews);
		refused({ uri: reviews, workload: "spiffe://mesh.example/ns/default/sa/admin" }, 7, "not_a_node");
	});

	it("of another trust domain gets nothing", () => {
		refused({ uri: "spiffe://other.example/ns/default/sa/reviews" }, 7, "foreign_identity");
	});

	it("does not renew itself where all workloads come through nodes: a stolen key would be good for ever", () => {
		const nodesOnly = new CertificateService({ authority, isOnNode: () => true, clock, log: silentLog, metrics });
		const message = encodeCreateCertificateRequest({ csr: requestFor(), validitySeconds: 0 });
		const call = (uri: string) =>
			nodesOnly.createCertificate({ message, peer: { address: "10.0.0.1", uri }, headers: {} });
		const outcome = call(reviews);
		assert.ok(!outcome.ok);
		assert.deepEqual([outcome.grpcStatus, /is renewed by its node/.test(outcome.because)], [7, true]);
	});

	it("is known by its service account's token", () => {
		const claims = {
			iss: "https://k8s",
			aud: "istio-ca",
			sub: "system:serviceaccount:default:reviews",
			exp: clock.wallMs() / 1000 + 600,
		};
		const bearer = tokenOf(issuerKey, { alg: "ES256" }, claims);
		assert.equal(certified({ bearer }), reviews);
		assert.equal(certified({ bearer }), reviews, "bearer tokens may be shown again");
		refused({ bearer: tokenOf(issuerKey, { alg: "ES256" }, { ...claims, aud: "x" }) }, 16, "jwt_audience");
	});
});

describe("requests that are no good", () => {
	const uri = nodeUri("n1");
	const cases: readonly (readonly [string, Asked, number, string])[] = [
		["nobody asks", {}, 16, "no_credentials"],
		["a certificate that was refused", { refusedCertificate: "it has expired" }, 16, "client_certificate"],
		["a bearer token that is none", { bearer: "hello" }, 16, "jwt_malformed"],
		[
			"a join token with a wrong secret",
			{ bearer: `km1.${"0".repeat(16)}.${"a".repeat(32)}.${"b".repeat(43)}` },
			16,
			"token_unknown",
		],
		["a control plane's certificate", { uri: "spiffe://mesh.example/keepmesh/control/c1" }, 7, "not_a_node"],
		["bytes that are no message", { uri, message: Uint8Array.of(0xff, 0xff, 0xff) }, 3, "malformed_request"],
		["no request in the message", { uri, csr: "" }, 3, "malformed_request"],
		["a megabyte", { uri, csr: "x".repeat(1_000_000) }, 3, "request_too_long"],
		["a hundred years", { uri, validitySeconds: 3_155_760_000 }, 3, "validity_too_long"],
	];
	for (const [what, asked, status, reason] of cases)
		it(`are refused and counted: ${what}`, () => void refused(asked, status, reason));

	it("cannot be answered when the authority's directory is broken: said in the log, counted, and not told to strangers", () => {
		const text = token("n7");
		writeFileSync(join(directory, "tokens", `${text.split(".")[1]}.used`), "{");
		refused({ bearer: text }, 14, "authority_failed");
		const outcome = ask({ bearer: text });
		assert.ok(!outcome.ok && outcome.because === "the authority cannot do that at this moment");
	});

	it("are limited for each node, and do not hold up another", () => {
		let last = "";
		for (let count = 0; count < 1_500 && last === ""; count++) {
			const outcome = ask({ uri: nodeUri("n2"), csr: "" });
			if (!outcome.ok && outcome.grpcStatus === 8) last = outcome.because;
		}
		assert.match(last, /too many requests of node n2/);
		assert.equal(certified({ uri }), uri);
		clock.advance(1_000);
		refused({ uri: nodeUri("n2"), csr: "" }, 3, "malformed_request");
	});

	it("of strangers are limited for each address, and do not hold up a node behind it", () => {
		const address = "10.9.9.9";
		let last = 0;
		for (let count = 0; count < 200; count++) {
			const outcome = ask({ address, bearer: "guess" });
			last = outcome.ok ? 0 : outcome.grpcStatus;
		}
		assert.equal(last, 8);
		assert.equal(certified({ address, uri }), uri);
	});
});

describe("what was issued", () => {
	it("is listed with the newest certificate of each identity and who asked", () => {
		certified({ uri: nodeUri("n1"), workload: reviews });
		certified({ uri: nodeUri("n1"), workload: reviews });
		const listed = service.ledger.list(clock.wallMs()).filter(({ identity }) => identity === reviews);
		assert.deepEqual(
			listed.map(({ issuedTo }) => issuedTo),
			["bearer token", "itself", "node n1"],
		);
		assert.equal(listed[2]?.issuerKeyId, authority.bundle().issuerKeyId);
	});

	it("is forgotten when it has expired", () => {
		assert.deepEqual(service.ledger.list(clock.wallMs() + 8 * 86_400_000), []);
	});

	it("is counted under Istio's names as well", () => {
		const received = sums.get("citadel_server_csr_count{}") ?? 0;
		const issued = sums.get("citadel_server_success_cert_issuance_count{}") ?? 0;
		assert.ok(issued > 10 && received > issued);
		assert.ok((sums.get("citadel_server_authentication_failure_count{}") ?? 0) > 10);
		assert.ok((sums.get("citadel_server_csr_parsing_err_count{}") ?? 0) > 3);
	});
});
