// Rules that only Envoy refuses, in a route table with others, at a real Envoy: what is in force then, and what is told of it.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ResourceItem } from "../../src/app/api/api-types.ts";
import type { Problem } from "../../src/resources/problem.ts";
import { GatewayOnLoopback } from "./gateway-on-loopback.ts";

const port = 18_437;
/** More repetitions than Envoy's engine makes; validation lets it pass. */
const tooMuch = "/(a{1000}){1000}";

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ["*"] }]
`;

const rule = (host: string, body: string, pattern = "/.*"): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host}, namespace: istio-system }
spec:
  hosts: [${host}.example.com]
  gateways: [edge]
  http:
    - match: [{ uri: { regex: "${pattern}" } }]
      directResponse: { status: 200, body: { string: ${body} } }
`;

describe("a rule that Envoy refuses", () => {
	let mesh: GatewayOnLoopback;

	before(async () => {
		mesh = new GatewayOnLoopback();
		mesh.write("gateway.yaml", gateway);
		mesh.write("good.yaml", rule("good", "good-1"));
		mesh.write("other.yaml", rule("other", "other-1"));
		await mesh.startControl();
		await mesh.startEnvoy();
		await answers("good", "good-1");
	});

	after(() => mesh?.close());

	const bodyOf = async (host: string): Promise<string> =>
		(await mesh.ask(port, { host: `${host}.example.com` }).catch(() => ({ body: "" }))).body;
	const answers = (host: string, body: string): Promise<void> =>
		mesh.until(async () => (await bodyOf(host)) === body, `${host} answers ${body}`);
	const item = async (name: string): Promise<ResourceItem | undefined> => {
		const path = `/api/v1/resources?kind=VirtualService&namespace=istio-system&name=${name}`;
		return (await mesh.api<{ items: ResourceItem[] }>(path)).items[0];
	};
	const problemOf = async (name: string): Promise<string | undefined> => {
		const { items } = await mesh.api<{ items: Problem[] }>("/api/v1/problems");
		return items.find(({ resource }) => resource.endsWith(`/${name}`))?.message;
	};

	it("is left out when it is new, and named; the rest of its route table goes on", async () => {
		mesh.write("bad.yaml", rule("bad", "bad-1", tooMuch));
		await mesh.until(async () => (await problemOf("bad")) !== undefined, "the rule is named");
		assert.match((await problemOf("bad")) ?? "", /refused by router~.*RDS.*it is left out/s);
		const status = (await item("bad"))?.status;
		assert.equal(status?.accepted, false);
		assert.equal(status?.proxies?.rejected.length, 1);
		mesh.write("good.yaml", rule("good", "good-2"));
		await answers("good", "good-2");
		assert.equal((await item("good"))?.status.accepted, true);
	});

	it("is let in when it is mended", async () => {
		mesh.write("bad.yaml", rule("bad", "bad-2"));
		await answers("bad", "bad-2");
		await mesh.until(async () => (await problemOf("bad")) === undefined, "nothing is said against it");
	});

	it("keeps its last good version in force when an edit breaks it", async () => {
		mesh.write("bad.yaml", rule("bad", "bad-3", tooMuch));
		await mesh.until(async () => (await problemOf("bad")) !== undefined, "the rule is named");
		assert.match((await problemOf("bad")) ?? "", /the last good version stays in force/);
		mesh.write("good.yaml", rule("good", "good-3"));
		await answers("good", "good-3");
		assert.equal(await bodyOf("bad"), "bad-2");
	});

	it("is found among others that changed in the same moment, which are in force", async () => {
		mesh.write("bad.yaml", rule("bad", "bad-4", tooMuch) + rule("also", "also-1") + rule("good", "good-4"));
		mesh.remove("good.yaml");
		await answers("good", "good-4");
		await answers("also", "also-1");
		assert.equal(await bodyOf("bad"), "bad-2");
		assert.deepEqual(
			await Promise.all(["bad", "also", "good"].map(async (name) => (await item(name))?.status.accepted)),
			[false, true, true],
		);
	});

	it("keeps its last good version in force over a restart of the control plane", async () => {
		await mesh.stopControl();
		await mesh.startControl();
		mesh.write("also.yaml", rule("more", "more-1"));
		await answers("more", "more-1");
		assert.equal(await bodyOf("bad"), "bad-2");
		assert.match((await problemOf("bad")) ?? "", /the last good version stays in force/);
	});
});
