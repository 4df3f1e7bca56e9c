import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MeshService } from "../../model/service.ts";
import type { ClientTls } from "../../resources/kinds/networking.ts";
import { port, serviceView } from "../views.testing.ts";
import { meshHttpConfig } from "./mesh-http.ts";

const simple: ClientTls = { mode: "SIMPLE" };
const mutual: ClientTls = { mode: "ISTIO_MUTUAL" };

function saysHttp(fields: Partial<MeshService>, tls?: ClientTls, ofSubset?: ClientTls, subset = ""): boolean {
	const view = serviceView(
		"reviews",
		{ ports: [port(9080, "AUTO"), port(80, "HTTP")], ...fields },
		{
			...(tls && { trafficPolicy: { tls } }),
			subsets: [{ name: "v1", labels: {}, ...(ofSubset && { trafficPolicy: { tls: ofSubset } }) }],
		},
	);
	return Object.keys(meshHttpConfig(view, 9080, subset)).length > 0;
}

describe("a request to a port whose protocol is not declared says that it is HTTP", () => {
	it("to workloads of the mesh, and where a rule says mutual TLS", () => {
		assert.equal(saysHttp({}), true);
		assert.equal(saysHttp({}, mutual), true);
		assert.equal(saysHttp({ meshExternal: true }, mutual), true);
	});

	it("not to servers with a TLS of their own, which would not know the protocol's name", () => {
		assert.equal(saysHttp({}, simple), false);
		assert.equal(saysHttp({ meshExternal: true }), false);
		assert.equal(saysHttp({}, mutual, simple, "v1"), false);
		assert.equal(saysHttp({}, simple, mutual, "v1"), true);
	});

	it("not where the port says it by itself, or does not exist", () => {
		const view = serviceView("reviews", { ports: [port(80, "HTTP")] });
		assert.deepEqual(meshHttpConfig(view, 80, ""), {});
		assert.deepEqual(meshHttpConfig(view, 81, ""), {});
		assert.deepEqual(meshHttpConfig(undefined, 80, ""), {});
	});
});
