import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anInboundView } from "../../model/model.testing.ts";
import type { InboundMtls } from "../../model/security.ts";
import { plaintextPorts } from "./plaintext-ports.ts";
import { generateInboundListeners } from "./virtual-inbound.ts";

function portsUnder(mode: InboundMtls, byPort: readonly (readonly [number, InboundMtls])[] = [], certificate = true) {
	const mtls = { mode, byPort: new Map(byPort), sources: [] };
	const ports = ([8080, 9000] as const).map((targetPort) => ({ targetPort, protocol: "AUTO" as const }));
	const view = anInboundView({ ports, security: { mtls, authorization: [], authentication: [] } });
	const [listener] = generateInboundListeners(view, certificate);
	assert.ok(listener);
	return plaintextPorts(listener);
}

describe("the ports on which a workload takes plaintext", () => {
	it("are all or none, by the mode of the workload", () => {
		assert.deepEqual(portsUnder("PERMISSIVE"), { others: true, except: [] });
		assert.deepEqual(portsUnder("DISABLE"), { others: true, except: [] });
		assert.deepEqual(portsUnder("STRICT"), { others: false, except: [] });
	});

	it("are told by port, whether a service names the port or not", () => {
		const open = [
			[9000, "PERMISSIVE"],
			[7000, "DISABLE"],
		] as const;
		assert.deepEqual(portsUnder("STRICT", open), { others: false, except: [7000, 9000] });
		assert.deepEqual(portsUnder("PERMISSIVE", [[8080, "STRICT"]]), { others: true, except: [8080] });
	});

	it("are none where mutual TLS is demanded and there is no certificate", () => {
		assert.deepEqual(portsUnder("STRICT", [[9000, "DISABLE"]], false), { others: false, except: [9000] });
		assert.deepEqual(portsUnder("PERMISSIVE", [], false), { others: true, except: [] });
	});
});
