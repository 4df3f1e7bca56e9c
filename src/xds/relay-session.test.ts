import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { trustBundleName, trustBundleTypeUrl } from "../identity/trust-bundle.ts";
import { openRelaySession, type RelayEvent, type RelayState, stepRelay } from "./relay-session.ts";
import { typeUrls } from "./resource.ts";

const config = { nameTable: false, trustBundle: true, keep: false };

/** Feeds events to a session and keeps what it says, decoded. */
function session() {
	let state: RelayState = openRelaySession();
	const reported: { version: string; text: string }[] = [];
	const run = (event: RelayEvent) => {
		const step = stepRelay(config, state, event);
		state = step.state;
		for (const action of step.actions)
			if (action.type === "reportTrustBundle")
				reported.push({ version: action.version, text: new TextDecoder().decode(action.bytes) });
		return step.actions
			.flatMap((action) => (action.type === "sendUpstream" ? [Buffer.concat(action.pieces)] : []))
			.map((bytes) => fromBinary(DeltaDiscoveryRequestSchema, bytes))
			.filter(({ typeUrl }) => typeUrl === trustBundleTypeUrl)
			.map(({ responseNonce, errorDetail, initialResourceVersions }) => ({
				nonce: responseNonce,
				...(errorDetail && { error: errorDetail.message }),
				...(Object.keys(initialResourceVersions).length > 0 && { told: initialResourceVersions }),
			}));
	};
	const proxyAsks = () => {
		const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls.cluster, node: { id: "p" } });
		return run({ type: "downstreamMessage", bytes: toBinary(DeltaDiscoveryRequestSchema, request) });
	};
	const sends = (version: string, nonce: string) => {
		const value = new TextEncoder().encode(`bundle ${version}`);
		const response = create(DeltaDiscoveryResponseSchema, {
			typeUrl: trustBundleTypeUrl,
			nonce,
			resources: [{ name: trustBundleName, version, resource: { typeUrl: trustBundleTypeUrl, value } }],
		});
		return run({ type: "upstreamMessage", bytes: toBinary(DeltaDiscoveryResponseSchema, response) });
	};
	return { run, proxyAsks, sends, reported };
}

describe("the trust bundle in the relay", () => {
	it("is asked for on each stream, and acknowledged only when the proxy uses it", () => {
		const { run, proxyAsks, sends, reported } = session();
		proxyAsks();
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "" }]);
		assert.deepEqual(sends("1", "n1"), []);
		assert.deepEqual(reported, [{ version: "1", text: "bundle 1" }]);
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "1" }), [{ nonce: "n1" }]);
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "1" }), []);
	});

	it("is refused with a reason", () => {
		const { run, proxyAsks, sends } = session();
		proxyAsks();
		run({ type: "upstreamOpened" });
		sends("1", "n1");
		const refusal = { type: "trustBundleRefused", version: "1", because: "not for us" } as const;
		assert.deepEqual(run(refusal), [{ nonce: "n1", error: "not for us" }]);
	});

	it("is told to the next control plane in the version that the proxy has confirmed, and in no other", () => {
		const { run, proxyAsks, sends } = session();
		proxyAsks();
		run({ type: "upstreamOpened" });
		sends("1", "n1");
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "" }]);
		sends("1", "m1");
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "1" }), [{ nonce: "m1" }]);
		sends("2", "m2");
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "", told: { mesh: "1" } }]);
	});

	it("that is confirmed while no control plane is there is told to the next", () => {
		const { run, proxyAsks, sends } = session();
		proxyAsks();
		run({ type: "upstreamOpened" });
		sends("1", "n1");
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "1" }), []);
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "", told: { mesh: "1" } }]);
	});

	it("is not acknowledged by the proof of an older one", () => {
		const { run, proxyAsks, sends } = session();
		proxyAsks();
		run({ type: "upstreamOpened" });
		sends("1", "n1");
		sends("2", "n2");
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "1" }), []);
		assert.deepEqual(run({ type: "trustBundleConfirmed", version: "2" }), [{ nonce: "n2" }]);
	});
});
