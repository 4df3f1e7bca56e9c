// keepmesh describe for workloads, against a control plane over files.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { typeUrls } from "../../xds/resource.ts";
import { ControlRig } from "../control.testing.ts";
import { keepmesh, type Outcome } from "./cli.testing.ts";

const pod = (name: string, app: string, ip: string, mode: string) => `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${app}, security.istio.io/tlsMode: "${mode}"}}
spec: {serviceAccountName: ${app}, containers: [{name: ${app}}]}
status: {podIP: ${ip}}
---
`;
const service = (name: string) => `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {clusterIP: 10.96.0.${name.length}, selector: {app: ${name}}, ports: [{name: http, port: 9080}]}
---
`;
const policies = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec: {selector: {matchLabels: {app: reviews}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec: {selector: {matchLabels: {app: reviews}}, jwtRules: [{issuer: "https://i.example", jwksUri: "https://i.example/keys"}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: plain}
spec: {host: ratings, trafficPolicy: {tls: {mode: DISABLE}}}
`;

describe("keepmesh describe", () => {
	const rig = new ControlRig();
	let env: NodeJS.ProcessEnv = {};
	before(async () => {
		rig.write(
			"pods.yaml",
			pod("reviews-1", "reviews", "10.1.0.1", "istio") + pod("ratings-1", "ratings", "10.1.0.2", "istio"),
		);
		rig.write("bare.yaml", pod("legacy-1", "legacy", "10.1.0.3", ""));
		rig.write("services.yaml", service("reviews") + service("ratings") + service("empty"));
		rig.write("policies.yaml", policies);
		await rig.start();
		env = { KEEPMESH_API: rig.apiUrl };
	});
	after(() => rig.close());
	const run = (...args: string[]): Promise<Outcome> => keepmesh(["describe", ...args], { env });

	it("shows of a pod what it takes, its policies, and what it sends to each service, and why", async () => {
		const { code, stdout, stderr } = await run("pod", "reviews-1");
		assert.equal(code, 0, stderr);
		assert.match(stdout, /\nWorkload: {3}reviews-1 in namespace default\nProxy: {6}not connected/);
		assert.match(stdout, /\n {2}9080 +HTTP +reviews +STRICT +PeerAuthentication default\/strict\n/);
		assert.match(stdout, /\n {2}AuthorizationPolicy default\/readers: ALLOW, 1 rule\n/);
		assert.match(
			stdout,
			/RequestAuthentication default\/tokens: tokens of https:\/\/i.example; no keys yet: they are refused/,
		);
		assert.match(
			stdout,
			/\n {2}ratings\.default\.svc\.cluster\.local:9080 +plaintext +STRICT +NO +1 endpoint: DestinationRule: tls\.mode DISABLE \(DestinationRule default\/plain\); .*refuses plaintext\n/,
		);
		assert.match(stdout, /\n {2}reviews\.default\.svc\.cluster\.local:9080 +mtls +STRICT +yes +/);
		assert.match(stdout, /\n {2}empty\.default\.svc\.cluster\.local:9080 .*it has no endpoints/);
	});

	it("shows of a pair only what is between the two", async () => {
		const { code, stdout, stderr } = await run("pod/legacy-1", "--to", "reviews");
		assert.equal(code, 0, stderr);
		assert.match(stdout, /Proxy: +none/);
		assert.match(
			stdout,
			/reviews\.default\.svc\.cluster\.local:9080 +plaintext +STRICT +NO +1 endpoint: the client has no proxy of the mesh; /,
		);
		assert.doesNotMatch(stdout, /ratings/);
		const unknown = await run("pod/legacy-1", "--to", "nothing");
		assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
		assert.match(unknown.stderr, /legacy-1 may not call nothing, or there is no such service/);
		assert.equal((await run("svc/reviews", "--to", "ratings")).code, 64);
	});

	it("and get count the proxies that a policy is in force on", async () => {
		const labels = { app: "ratings", "security.istio.io/tlsMode": "istio" };
		const client = rig.connect("sidecar~10.1.0.2~ratings-1.default~default.svc.cluster.local", {
			NAMESPACE: "default",
			LABELS: labels,
			KEEPMESH_SDS: "true",
		});
		await client.until(() => client.names(typeUrls.listener).length > 0, "listeners");
		assert.match((await run("pod", "ratings-1")).stdout, /Proxy: {6}connected, with a certificate\n/);
		assert.match((await run("pa", "strict")).stdout, /Applied: {4}on 1 of 1 proxies/);
		assert.match((await run("ap", "readers")).stdout, /Applied: {4}on 0 of 0 proxies/);
	});

	it("shows of a service what its workloads take", async () => {
		const { stdout } = await run("svc", "reviews");
		assert.match(stdout, /Workload: {3}reviews-1 [\s\S]*9080 +HTTP +reviews +STRICT[\s\S]*default\/readers: ALLOW/);
		assert.doesNotMatch(stdout, /Outbound/);
		assert.match((await run("svc", "empty")).stdout, /Workloads: +none is known/);
	});
});
