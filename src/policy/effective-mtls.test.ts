import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	aDestinationRule,
	aMeshConfig,
	aPeerAuthentication,
	aPod,
	aProxy,
	applied,
	aService,
	aServiceEntry,
} from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { ClientTls, DestinationRuleSpec } from "../resources/kinds/networking.ts";
import type { MtlsMode } from "../resources/kinds/security.ts";
import { applyChanges, applyServing, emptySnapshot, type Snapshot } from "../snapshot/snapshot.ts";
import { effectiveMtls, type MtlsClient } from "./effective-mtls.ts";

const proxied: MtlsClient = { proxy: aProxy("client-1", { workloadCertificate: true }), hasProxy: true };
const service = aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: 8080 }] });
const pod = aPod("web-1", "10.1.0.1", {}, { labels: { version: "v1" } });
const bare = aPod("web-2", "10.1.0.2", {}, { labels: { "security.istio.io/tlsMode": "", version: "v2" } });
const peers = (mode: MtlsMode) => aPeerAuthentication("peers", { mtls: { mode } });
const rule = (tls: ClientTls, more: Partial<DestinationRuleSpec> = {}) =>
	aDestinationRule("rule", { host: "web", trafficPolicy: { tls }, ...more });

const pathsFor = (client: MtlsClient, ...objects: readonly AnyObject[]) => {
	const { snapshot } = applyChanges(emptySnapshot(), applied(service, ...objects));
	return effectiveMtls(snapshot, client).find((one) => one.service.startsWith("web."))?.paths ?? [];
};
const outcomes = (client: MtlsClient, ...objects: readonly AnyObject[]) =>
	pathsFor(client, ...objects).map(
		(path) =>
			`${path.subset ?? "all"} x${path.endpoints}: ${path.clientSends} to ${path.serverAccepts}, ${path.works ? "works" : "fails"}`,
	);

describe("mutual TLS between a client and a service", () => {
	const cases: readonly (readonly [string, readonly AnyObject[], readonly string[]])[] = [
		["is spoken by itself", [pod], ["all x1: mtls to PERMISSIVE, works"]],
		["is spoken under STRICT", [pod, peers("STRICT")], ["all x1: mtls to STRICT, works"]],
		[
			"is not spoken where the server does not take it",
			[pod, peers("DISABLE")],
			["all x1: plaintext to DISABLE, works"],
		],
		[
			"is not spoken to a server without a proxy, which no STRICT protects either",
			[pod, bare, peers("STRICT")],
			["all x1: mtls to STRICT, works", "all x1: plaintext to DISABLE, works"],
		],
		[
			"fails under STRICT when a rule turns it off",
			[pod, peers("STRICT"), rule({ mode: "DISABLE" })],
			["all x1: plaintext to STRICT, fails"],
		],
		[
			"fails when a rule asks for it and the server does not take it",
			[pod, peers("DISABLE"), rule({ mode: "ISTIO_MUTUAL" })],
			["all x1: mtls to DISABLE, fails"],
		],
		[
			"fails when a rule asks for it and no proxy is there",
			[bare, rule({ mode: "ISTIO_MUTUAL" })],
			["all x1: mtls to DISABLE, fails"],
		],
		[
			"fails under STRICT when a rule asks for other TLS",
			[pod, peers("STRICT"), rule({ mode: "SIMPLE" })],
			["all x1: tls to STRICT, fails"],
		],
		["is other TLS where a rule says so", [pod, rule({ mode: "SIMPLE" })], ["all x1: tls to PERMISSIVE, works"]],
		[
			"is off when the mesh turns the automatic off",
			[pod, aMeshConfig({ enableAutoMtls: false })],
			["all x1: plaintext to PERMISSIVE, works"],
		],
		[
			"differs in a subset with a policy of its own",
			[
				pod,
				bare,
				rule(
					{ mode: "ISTIO_MUTUAL" },
					{
						subsets: [
							{ name: "v1", labels: { version: "v1" } },
							{ name: "v2", labels: { version: "v2" }, trafficPolicy: { tls: { mode: "DISABLE" } } },
						],
					},
				),
			],
			["all x1: mtls to PERMISSIVE, works", "all x1: mtls to DISABLE, fails", "v2 x1: plaintext to DISABLE, works"],
		],
	];
	for (const [behaviour, objects, expected] of cases) {
		it(behaviour, () => assert.deepEqual(outcomes(proxied, ...objects), expected));
	}

	it("is not spoken by a client without a proxy, or whose proxy has no certificate", () => {
		const without = { ...proxied, hasProxy: false };
		assert.deepEqual(outcomes(without, pod, peers("STRICT")), ["all x1: plaintext to STRICT, fails"]);
		const uncertified = { proxy: aProxy("client-1"), hasProxy: true };
		assert.deepEqual(outcomes(uncertified, pod), ["all x1: plaintext to PERMISSIVE, works"]);
		assert.match(pathsFor(uncertified, pod)[0]?.because[0]?.says ?? "", /no certificate/);
	});

	it("says why, with the resources that decided", () => {
		const [path] = pathsFor(proxied, pod, peers("STRICT"), rule({ mode: "DISABLE" }));
		assert.deepEqual(path?.because, [
			{ says: "DestinationRule: tls.mode DISABLE", sources: ["DestinationRule/default/rule"] },
			{ says: "the server takes mutual TLS only", sources: ["PeerAuthentication/default/peers"] },
			{ says: "the server refuses plaintext", sources: [] },
		]);
	});

	it("names the PeerAuthentication that decided on that very port", () => {
		const own = aPeerAuthentication("own", {
			selector: { matchLabels: { app: "web" } },
			portLevelMtls: { 8080: { mode: "DISABLE" } },
		});
		const sourceWith = (object: AnyObject) =>
			pathsFor(proxied, pod, peers("STRICT"), object)[0]?.because.at(-1)?.sources;
		assert.deepEqual(sourceWith(own), ["PeerAuthentication/default/own"]);
		const elsewhere = { ...own, spec: { ...own.spec, portLevelMtls: { 9999: { mode: "DISABLE" as const } } } };
		assert.deepEqual(sourceWith(elsewhere), ["PeerAuthentication/default/peers"]);
	});

	it("is not spoken with a server whose proxy is passed by until it works again, and works all the same", () => {
		const placed = aPod("web-1", "10.1.0.1", { nodeName: "n1" });
		const { snapshot } = applyChanges(emptySnapshot(), applied(service, placed));
		const told = { namespace: "default", name: "web-1", serviceAccount: "default", node: "n1", isGranted: false };
		const pathIn = (some: Snapshot) => effectiveMtls(some, proxied)[0]?.paths[0];
		const direct = pathIn(applyServing(snapshot, [{ ...told, step: "direct" }]).snapshot);
		assert.deepEqual([direct?.clientSends, direct?.works], ["plaintext", true]);
		assert.match(direct?.because.map(({ says }) => says).join() ?? "", /the server's proxy is passed by/);
		assert.equal(pathIn(snapshot)?.clientSends, "mtls");
	});

	it("is not for services outside of the mesh, and empty where there is no endpoint", () => {
		const external = aServiceEntry("ext", {
			hosts: ["web.example.com"],
			resolution: "STATIC",
			ports: [{ number: 80, name: "http", protocol: "HTTP" }],
			endpoints: [{ address: "10.3.0.1", serviceAccount: "x" }],
		});
		const { snapshot } = applyChanges(emptySnapshot(), applied(external, service));
		const found = effectiveMtls(snapshot, proxied);
		assert.deepEqual(
			found.map((one) => [one.service, one.paths.map((path) => path.clientSends)]),
			[
				["web.default.svc.cluster.local", []],
				["web.example.com", ["plaintext"]],
			],
		);
	});
});
