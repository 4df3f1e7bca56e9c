// One spare Envoy for all pods of a node, in place of their own: routing, mutual TLS and policy of each pod.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { clientFirst, httpServer, nextText } from "./servers.ts";
import { SpareMesh } from "./spare-mesh.ts";
import { testAuthority } from "./test-authority.ts";

const ips = { alpha: "10.77.0.2", beta: "10.77.0.3" };

const pod = (name: keyof typeof ips): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec:
  clusterIP: 10.96.0.${name === "alpha" ? 2 : 3}
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 70, targetPort: 7000 }]
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${name}, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: ${name} }
status: { podIP: ${ips[name]}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: of-${name}, namespace: default }
spec:
  hosts: [${name}.default.svc.cluster.local]
  http:
  - match: [{ sourceLabels: { app: alpha } }]
    headers: { request: { set: { x-routed-for: alpha } } }
    route: [{ destination: { host: ${name} } }]
  - headers: { request: { set: { x-routed-for: beta } } }
    route: [{ destination: { host: ${name} } }]
`;

const resources = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: beta, namespace: default }
spec:
  selector: { matchLabels: { app: beta } }
  action: DENY
  rules: [{ to: [{ operation: { paths: [/secret], ports: ["8080"] } }] }]
${pod("alpha")}${pod("beta")}`;

describe("one spare Envoy for two pods", { skip: cannotRun }, () => {
	let mesh: SpareMesh;
	let alpha: Host;
	let beta: Host;
	let outside: Host;

	before(async () => {
		const authority = testAuthority();
		const certificate = (name: string) => authority.issue(`spiffe://cluster.local/ns/default/sa/${name}`);
		mesh = new SpareMesh(resources);
		alpha = mesh.addPod("alpha", ips.alpha, { interception: "REDIRECT", certificate: certificate("alpha") });
		beta = mesh.addPod("beta", ips.beta, { interception: "TPROXY", certificate: certificate("beta") });
		outside = mesh.addHost("outside", "10.77.0.9");
		for (const [name, host] of [
			["alpha", alpha],
			["beta", beta],
		] as const) {
			mesh.serve(httpServer(name), host, 8080);
			mesh.serve(clientFirst(name), host, 7000);
		}
		mesh.serve(clientFirst("outside"), outside, 7777);
		await mesh.start();
		assert.deepEqual(mesh.rejections(), []);
	});
	after(() => mesh?.close());

	for (const [from, to, source] of [
		["alpha", "10.96.0.3", "beta"],
		["beta", "10.96.0.2", "alpha"],
	] as const) {
		it(`routes what ${from} sends as ${from}'s own Envoy would, to ${source}, with ${from}'s certificate`, async () => {
			const host = `${source}.default.svc.cluster.local`;
			const answer = await mesh.http(from === "alpha" ? alpha : beta, to, 80, { host });
			assert.equal(answer.status, 200);
			const text = answer.body;
			assert.match(text, new RegExp(`"x-routed-for":"${from}"`), text);
			assert.match(text, new RegExp(`URI=spiffe://cluster.local/ns/default/sa/${from}`));
		});
	}

	it("carries TCP of a port that a service names, and of one that none does", async () => {
		for (const [address, port, name] of [
			["10.96.0.3", 70, "beta"],
			["10.77.0.9", 7777, "outside"],
		] as const) {
			const socket = await connectInNamespace(alpha.netns, { host: address, port }, 2000);
			socket.write("hello");
			assert.equal(await nextText(socket), `${name} hello`);
			socket.destroy();
		}
	});

	it("still refuses plaintext where it is not permitted, and what a policy denies", async () => {
		await assert.rejects(mesh.http(outside, ips.beta, 8080));
		await assert.rejects(mesh.http(outside, ips.alpha, 8080));
		const host = "beta.default.svc.cluster.local";
		assert.equal((await mesh.http(alpha, "10.96.0.3", 80, { host, path: "/secret" })).status, 403);
	});

	it("goes on with the other pods when one pod's network namespace is gone before it is told", async () => {
		mesh.removeHost(beta);
		const lost = await connectInNamespace(alpha.netns, { host: "10.96.0.3", port: 70 }, 2000);
		lost.on("error", () => {});
		lost.write("hello");
		assert.equal(await nextText(lost), "");
		// More at once than there are connections to the application: new ones must be tried.
		const host = "beta.default.svc.cluster.local";
		const asked = [1, 2, 3, 4].map(() => mesh.http(alpha, "10.96.0.3", 80, { host }).catch(() => undefined));
		await Promise.all(asked);
		assert.ok(mesh.isAlive);
		await mesh.dropPod("beta");
		const other = await connectInNamespace(alpha.netns, { host: "10.77.0.9", port: 7777 }, 2000);
		other.write("hello");
		assert.equal(await nextText(other), "outside hello");
		other.destroy();
	});
});

describe("a spare Envoy without a capability", { skip: cannotRun }, () => {
	for (const { kept, interception, says } of [
		{ kept: "net_admin", interception: "REDIRECT", says: /failed to set netns .* Operation not permitted/ },
		{ kept: "sys_admin", interception: "TPROXY", says: /Setting socket options failed/ },
	] as const) {
		it(`that keeps only ${kept} does not listen for a pod of ${interception}, and says why`, async () => {
			const mesh = new SpareMesh(resources);
			try {
				const certificate = testAuthority().issue("spiffe://cluster.local/ns/default/sa/alpha");
				mesh.addPod("alpha", ips.alpha, { interception, certificate });
				await mesh.start([kept]);
				assert.match(mesh.rejections().join(), says);
			} finally {
				await mesh.close();
			}
		});
	}
});
