import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAuthorizationPolicy, aPeerAuthentication, aPod, aProxy, applied, aService } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import { applyChanges, emptySnapshot } from "../snapshot/snapshot.ts";
import { checkAccess } from "./check-access.ts";

const server = aProxy("web-1", { ipAddresses: ["10.1.0.1"], labels: { app: "web" }, workloadCertificate: true });
const client = aProxy("shop-1", { ipAddresses: ["10.1.0.2"], serviceAccount: "shop", workloadCertificate: true });
const http = { method: "GET", path: "/", host: "web", headers: {} };

function check(policies: readonly AnyObject[], more: { readonly outside?: boolean; readonly port?: number } = {}) {
	const objects = [
		aPod("web-1", "10.1.0.1"),
		aPod("shop-1", "10.1.0.2"),
		aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: 8080 }] }),
		...policies,
	];
	const { snapshot } = applyChanges(emptySnapshot(), applied(...objects));
	return checkAccess(snapshot, {
		...(more.outside ? {} : { client: { proxy: client, hasProxy: true } }),
		server: { proxy: server, hasProxy: true },
		...(more.port === undefined ? {} : { port: more.port }),
		http,
	});
}

const strict = aPeerAuthentication("strict", { mtls: { mode: "STRICT" } });

describe("access from one workload to another", () => {
	it("is by mutual TLS, under the client's name", () => {
		const [answer] = check([strict]);
		assert.equal(answer?.connection.clientSends, "mtls");
		assert.equal(answer?.principal, "cluster.local/ns/default/sa/shop");
		assert.equal(answer?.allowed, "yes");
	});
	it("is refused to plaintext under STRICT before any policy is asked, and names who says so", () => {
		const [answer] = check([strict], { outside: true });
		assert.equal(answer?.allowed, "no");
		assert.equal(answer?.decision, undefined);
		assert.deepEqual(answer?.connection.because.at(-1)?.sources, ["PeerAuthentication/default/strict"]);
	});
	it("is decided by the policies of the server", () => {
		const onlyAdmin = anAuthorizationPolicy("admin", {
			rules: [{ from: [{ source: { principals: ["cluster.local/ns/default/sa/admin"] } }] }],
		});
		const [answer] = check([onlyAdmin]);
		assert.equal(answer?.allowed, "no");
		assert.match(answer?.decision?.steps[0]?.because[0] ?? "", /principal is cluster\.local\/ns\/default\/sa\/shop/);
	});
	it("is looked at on the port that is named, by the service's number or the workload's", () => {
		assert.deepEqual(
			check([], { port: 80 }).map(({ port }) => port),
			[8080],
		);
		assert.deepEqual(
			check([], { port: 8080 }).map(({ port }) => port),
			[8080],
		);
	});
	it("on a port that no service names is a plaintext connection of bytes", () => {
		const [answer] = check([strict], { port: 9999 });
		assert.deepEqual([answer?.port, answer?.connection.clientSends, answer?.allowed], [9999, "plaintext", "no"]);
	});
});
