import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anInboundView } from "../../model/model.testing.ts";
import type { InboundMtls } from "../../model/security.ts";
import { closedInbound } from "./inbound-mode.ts";

const closed = (mode: InboundMtls, byPort: readonly (readonly [number, InboundMtls])[] = [], certificate = false) =>
	closedInbound(
		anInboundView({
			ports: [8080, 9090].map((targetPort) => ({ targetPort, protocol: "HTTP" })),
			security: {
				mtls: { mode, byPort: new Map(byPort), sources: ["PeerAuthentication/default/p"] },
				authorization: [],
				authentication: [],
			},
		}),
		certificate,
	);
const because = "mutual TLS is STRICT (PeerAuthentication default/p), and it has no certificate";

describe("a proxy without certificate says what it keeps shut", () => {
	it("when everything is to be strict, and which ports are not", () => {
		assert.equal(closed("STRICT"), `lets nothing in on every port: ${because}`);
		const open = closed("STRICT", [
			[8080, "DISABLE"],
			[7000, "PERMISSIVE"],
		]);
		assert.equal(open, `lets nothing in on every port but ports 7000, 8080: ${because}`);
	});

	it("when only some ports are to be strict", () => {
		assert.equal(closed("PERMISSIVE", [[9090, "STRICT"]]), `lets nothing in on port 9090: ${because}`);
	});

	it("unless nothing is shut", () => {
		assert.equal(closed("PERMISSIVE"), undefined);
		assert.equal(closed("STRICT", [], true), undefined);
	});
});
