import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { port, service } from "../envoy/views.testing.ts";
import { defaultMeshSettings } from "../model/mesh-settings.ts";
import { authorizationProvidersOf } from "./authorization-providers.ts";
import { withReachableAuthorizers } from "./reachable-authorizers.ts";

const host = "opa.foo.svc.cluster.local";
const byHost = new Map([[host, [service("opa", { namespace: "foo", ports: [port(9000)] })]]]);

function meshWith(...services: readonly (readonly [string, number])[]) {
	const providers = services.map(([of, number], index) => ({
		name: `p${index}`,
		envoyExtAuthzGrpc: { service: of, port: number },
	}));
	return { ...defaultMeshSettings, authorizationProviders: authorizationProvidersOf(providers) };
}

describe("reachable authorisers", () => {
	it("are those whose host, namespace and port are a service's", () => {
		const mesh = meshWith([host, 9000], [`foo/${host}`, 9000], [`bar/${host}`, 9000], [host, 9001], ["opa", 9000]);
		const found = withReachableAuthorizers(mesh, { byHost }).authorizationProviders;
		assert.deepEqual(
			found.map(({ name }) => name),
			["p0", "p1"],
		);
	});

	it("leave the settings as they are when all are there, and as they were when the same are missing", () => {
		const whole = meshWith([host, 9000]);
		assert.equal(withReachableAuthorizers(whole, { byHost }), whole);
		const mesh = meshWith([host, 9000], [host, 1]);
		const first = withReachableAuthorizers(mesh, { byHost });
		assert.equal(withReachableAuthorizers(mesh, { byHost }, first), first);
	});
});
