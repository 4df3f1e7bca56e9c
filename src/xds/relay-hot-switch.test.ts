import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { defaultHotSwitchPolicy, type HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import {
	encodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../hotswitch/hot-switch-policy-codec.ts";
import { openRelaySession, type RelayEvent, type RelayState, stepRelay } from "./relay-session.ts";
import { typeUrls } from "./resource.ts";

/** Feeds events to a session and keeps what it says of the policy, decoded. */
function session(hotSwitchPolicy = true) {
	let state: RelayState = openRelaySession();
	const reported: HotSwitchPolicy[] = [];
	const run = (event: RelayEvent) => {
		const step = stepRelay({ nameTable: false, trustBundle: false, keep: false, hotSwitchPolicy }, state, event);
		state = step.state;
		for (const action of step.actions) {
			assert.notEqual(action.type, "sendDownstream");
			if (action.type === "reportHotSwitchPolicy") reported.push(action.policy);
		}
		return step.actions
			.flatMap((action) => (action.type === "sendUpstream" ? [Buffer.concat(action.pieces)] : []))
			.map((bytes) => fromBinary(DeltaDiscoveryRequestSchema, bytes))
			.filter(({ typeUrl }) => typeUrl === hotSwitchPolicyTypeUrl)
			.map(({ responseNonce, errorDetail, initialResourceVersions }) => ({
				nonce: responseNonce,
				...(errorDetail && { refused: true }),
				...(Object.keys(initialResourceVersions).length > 0 && { told: { ...initialResourceVersions } }),
			}));
	};
	const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls.cluster, node: { id: "p" } });
	run({ type: "downstreamMessage", bytes: toBinary(DeltaDiscoveryRequestSchema, request) });
	const sends = (version: string, nonce: string, value: Uint8Array | undefined) => {
		const name = hotSwitchPolicyName;
		const response = create(DeltaDiscoveryResponseSchema, {
			typeUrl: hotSwitchPolicyTypeUrl,
			nonce,
			resources: value ? [{ name, version, resource: { typeUrl: hotSwitchPolicyTypeUrl, value } }] : [],
			removedResources: value ? [] : [name],
		});
		return run({ type: "upstreamMessage", bytes: toBinary(DeltaDiscoveryResponseSchema, response) });
	};
	return { run, sends, reported };
}

const policy = { ...defaultHotSwitchPolicy, spare: false };

describe("the hot-switch policy in the relay", () => {
	it("is asked for on each stream, reported and confirmed, and told to the next control plane", () => {
		const { run, sends, reported } = session();
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "" }]);
		assert.deepEqual(sends("1", "n1", encodeHotSwitchPolicy(policy)), [{ nonce: "n1" }]);
		assert.deepEqual(reported, [policy]);
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "", told: { [hotSwitchPolicyName]: "1" } }]);
	});

	it("is refused when it cannot be read, and the one before stays", () => {
		const { run, sends, reported } = session();
		run({ type: "upstreamOpened" });
		sends("1", "n1", encodeHotSwitchPolicy(policy));
		assert.deepEqual(sends("2", "n2", new TextEncoder().encode("{}")), [{ nonce: "n2", refused: true }]);
		assert.deepEqual(reported, [policy]);
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "", told: { [hotSwitchPolicyName]: "1" } }]);
	});

	it("stays with the node when the control plane has none any more, and is asked for anew", () => {
		const { run, sends, reported } = session();
		run({ type: "upstreamOpened" });
		sends("1", "n1", encodeHotSwitchPolicy(policy));
		assert.deepEqual(sends("", "n2", undefined), [{ nonce: "n2" }]);
		assert.deepEqual(reported, [policy]);
		run({ type: "upstreamClosed" });
		assert.deepEqual(run({ type: "upstreamOpened" }), [{ nonce: "" }]);
	});

	it("is nobody's business where nobody wants it", () => {
		const { run, sends, reported } = session(false);
		assert.deepEqual(run({ type: "upstreamOpened" }), []);
		assert.deepEqual(sends("1", "n1", encodeHotSwitchPolicy(policy)), []);
		assert.deepEqual(reported, []);
	});
});
