// Who gets the private keys of a gateway's Secrets: the gateway, and nobody who only says to be it.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { requestFor } from "../identity/authority/authority.testing.ts";
import { type Authority, openAuthority } from "../identity/authority/authority.ts";
import { NodeRegistrations } from "../identity/authority/node-registrations.ts";
import type { Identity } from "../identity/spiffe-id.ts";
import { typeUrls } from "../xds/resource.ts";
import { openAdsStream } from "../xds/wire/xds-client.ts";
import { ControlRig } from "./control.testing.ts";

const trustDomain = "cluster.local";
const scratch = mkdtempSync(join(tmpdir(), "keepmesh-keys-"));
const caDirectory = join(scratch, "ca");
const rig = new ControlRig();
let authority: Authority;

const pod = (name: string, node: string, account: string, labels: string) =>
	`apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: edge, labels: {${labels}}}\nspec: {nodeName: ${node}, serviceAccountName: ${account}}\nstatus: {podIP: 10.0.0.7, phase: Running}\n`;

before(async () => {
	rig.write(
		"edge.yaml",
		[
			pod("gw-1", "n1", "gw", "istio: edge"),
			pod("app-1", "n2", "app", "app: app"),
			"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm-1, namespace: edge, annotations: {keepmesh.io/node: n3}}\nspec: {address: 10.0.0.9, serviceAccount: vm, labels: {istio: edge}}\n",
			"apiVersion: v1\nkind: Secret\nmetadata: {name: shop, namespace: edge}\nstringData: {tls.crt: CHAIN, tls.key: PRIVATE}\n",
			`apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: edge}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: shop}}
`,
		].join("---\n"),
	);
	await rig.start({ caDirectory, secureXds: { host: "127.0.0.1", port: 0 } });
	authority = openAuthority({ directory: caDirectory, trustDomain, wallMs: () => Date.now() });
	const nodes = new NodeRegistrations(caDirectory);
	const allow = { n4: [{ namespace: "edge", serviceAccount: "granted" }] } as const;
	for (const node of ["n1", "n2", "n3", "n4"]) {
		const granted = node === "n4" ? allow.n4 : [];
		nodes.register({ id: "0", node, allow: granted, createdMs: 0, expiresMs: 0 }, 0);
	}
});

after(async () => {
	await rig.close();
	rmSync(scratch, { recursive: true });
});

function tlsOf(identity: Identity | undefined) {
	if (!identity) return undefined;
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const signed = authority.sign(requestFor(privateKey), identity);
	assert.ok(signed.ok);
	const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
	return { ca: [...authority.bundle().roots], key, cert: signed.chain.slice(0, -1).join("") };
}

interface Asked {
	/** Absent: over plaintext. */
	readonly as?: Identity;
	readonly name: string;
	readonly account: string;
	/** In the node id. Default `name`. */
	readonly id?: string;
}

/** "key", "none", or why the stream was refused: what a gateway of that name is answered when it asks for the Secret. */
function askedForKey({ as, name, account, id = name }: Asked): Promise<string> {
	return new Promise((done) => {
		const tls = tlsOf(as);
		const port = tls ? rig.secureXdsPort : rig.xdsPort;
		const stream = openAdsStream(
			{ to: { host: "127.0.0.1", port }, ...(tls ? { tls } : {}) },
			{
				message(bytes) {
					const { resources, typeUrl } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
					if (typeUrl !== typeUrls.secret) return;
					const text = resources.map(({ resource }) => Buffer.from(resource?.value ?? []).toString()).join("");
					stream.close();
					done(text.includes("PRIVATE") ? "key" : "none");
				},
				closed: (status, because) => done(`${status} ${because}`),
			},
		);
		const metadata: JsonObject = {
			NAME: name,
			NAMESPACE: "edge",
			SERVICE_ACCOUNT: account,
			LABELS: { istio: "edge" },
		};
		const node = { id: `router~10.0.0.7~${id}.edge~edge.svc.cluster.local`, metadata };
		const request = { typeUrl: typeUrls.secret, node, resourceNamesSubscribe: ["kubernetes://shop"] };
		stream.send(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)));
	});
}

const workload = (serviceAccount: string): Identity => ({ trustDomain, namespace: "edge", serviceAccount });
const node = (name: string): Identity => ({ trustDomain, part: "node", name });

describe("the private key of a gateway", () => {
	const answers: readonly (readonly [string, Asked, RegExp])[] = [
		["is served to the gateway itself", { as: workload("gw"), name: "gw-1", account: "gw" }, /^key$/],
		["is served to the gateway's node", { as: node("n1"), name: "gw-1", account: "gw" }, /^key$/],
		["is served to a machine's gateway", { as: node("n3"), name: "vm-1", account: "vm" }, /^key$/],
		["is served to a machine whose entry has another name", { as: node("n3"), name: "host", account: "vm" }, /^key$/],
		["is served where an administrator allowed it", { as: node("n4"), name: "any", account: "granted" }, /^key$/],
		["is not served over plaintext", { name: "gw-1", account: "gw" }, /^none$/],
		[
			"is not served to a workload of its namespace that says to be a gateway",
			{ as: workload("app"), name: "app-1", account: "app" },
			/^none$/,
		],
		[
			"is not served to a workload that invents a gateway",
			{ as: workload("app"), name: "ghost", account: "app" },
			/^none$/,
		],
		[
			"is not served to a node that says that a pod of its is a gateway",
			{ as: node("n2"), name: "app-1", account: "app" },
			/^none$/,
		],
		[
			"is not served to a node that invents a gateway",
			{ as: node("n2"), name: "ghost", account: "app" },
			/^14 no resource/,
		],
		[
			"is not served to the gateway's node for a pod that is not there",
			{ as: node("n1"), name: "gw-2", account: "gw" },
			/^14 no resource/,
		],
		[
			"is not served to who goes by the gateway's id",
			{ as: workload("app"), name: "app-1", account: "app", id: "gw-1" },
			/^7 the node id names another workload/,
		],
	];
	for (const [what, asked, answer] of answers)
		it(what, async () => {
			assert.match(await askedForKey(asked), answer);
		});
});
