import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anInboundView } from "../../model/model.testing.ts";
import type { InboundMtls } from "../../model/security.ts";
import { generateProxylessServerListeners } from "./proxyless-listeners.ts";

describe("a gRPC server without a proxy", () => {
	const ports = [7070, 8080].map((targetPort) => ({ targetPort, protocol: "GRPC" as const }));
	const served = (mode: InboundMtls, byPort: readonly (readonly [number, InboundMtls])[] = []) => {
		const mtls = { mode, byPort: new Map(byPort), sources: [] };
		const view = anInboundView({ ports, security: { mtls, authorization: [], authentication: [] } });
		return [...new Set(generateProxylessServerListeners(view).map(({ name }) => Number(name.split(":").at(-1))))];
	};

	it("is not served where mutual TLS is demanded, which it cannot give", () => {
		assert.deepEqual(served("PERMISSIVE"), [7070, 8080]);
		assert.deepEqual(served("STRICT"), []);
		assert.deepEqual(served("STRICT", [[8080, "DISABLE"]]), [8080]);
		assert.deepEqual(served("PERMISSIVE", [[8080, "STRICT"]]), [7070]);
	});
});
