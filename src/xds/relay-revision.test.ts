import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
	DeltaDiscoveryRequestSchema,
	DeltaDiscoveryResponseSchema,
} from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { openRelaySession, type RelayEvent, type RelayState, stepRelay } from "./relay-session.ts";
import { typeUrls } from "./resource.ts";

const config = { nameTable: true, trustBundle: false, keep: false };

/** A proxy that asked for clusters, and a control plane that says how new its state is. */
function session(seen?: RelayState["seen"]) {
	let state: RelayState = { ...openRelaySession(), ...(seen && { seen }) };
	const run = (event: RelayEvent) => {
		const step = stepRelay(config, state, event);
		state = step.state;
		return step.actions;
	};
	const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls.cluster, node: { id: "p" } });
	run({ type: "downstreamMessage", bytes: toBinary(DeltaDiscoveryRequestSchema, request) });
	run({ type: "upstreamOpened" });
	let nonce = 0;
	const sends = (systemVersionInfo: string, typeUrl: string = typeUrls.cluster): readonly string[] => {
		nonce += 1;
		const response = create(DeltaDiscoveryResponseSchema, { typeUrl, nonce: String(nonce), systemVersionInfo });
		return run({ type: "upstreamMessage", bytes: toBinary(DeltaDiscoveryResponseSchema, response) }).map(
			({ type }) => type,
		);
	};
	const next = (): void => {
		run({ type: "upstreamClosed" });
		run({ type: "upstreamOpened" });
	};
	return { sends, next, seen: () => state.seen };
}

describe("revisions in the relay", () => {
	it("let what is as new or newer pass, and nothing that is older", () => {
		const { sends, next, seen } = session();
		assert.deepEqual(sends("7.3"), ["reportRevision", "sendDownstream"]);
		assert.deepEqual(sends("7.3"), ["sendDownstream"]);
		assert.deepEqual(sends("7.4"), ["reportRevision", "sendDownstream"]);
		next();
		assert.deepEqual(sends("7.3"), ["closeUpstream"]);
		next();
		assert.deepEqual(sends("8.0"), ["reportRevision", "sendDownstream"]);
		assert.deepEqual(seen(), { epoch: 8, counter: 0 });
	});

	it("hold for what the node asks for itself as well", () => {
		const { sends, next } = session();
		sends("7.4");
		next();
		assert.deepEqual(sends("7.3", typeUrls.nameTable), ["closeUpstream"]);
	});

	it("count what a replica surely has, as seen and as good enough", () => {
		const { sends, next, seen } = session();
		assert.deepEqual(sends("7.3~7.6"), ["reportRevision", "sendDownstream"]);
		assert.deepEqual(seen(), { epoch: 7, counter: 3 });
		next();
		assert.deepEqual(sends("7.2~7.9"), ["closeUpstream"]);
		next();
		assert.deepEqual(sends("7.6~7.9"), ["reportRevision", "sendDownstream"]);
	});

	it("go on with a change that is taken back before it was given a number", () => {
		const { sends } = session();
		assert.deepEqual(sends("7.3"), ["reportRevision", "sendDownstream"]);
		assert.deepEqual(sends("7.3~7.4"), ["sendDownstream"]);
		assert.deepEqual(sends("7.3~7.4"), ["sendDownstream"]);
		assert.deepEqual(sends("7.3"), ["sendDownstream"]);
	});

	it("are not asked of a control plane that says none", () => {
		const { sends, next } = session({ epoch: 9, counter: 9 });
		assert.deepEqual(sends(""), ["sendDownstream"]);
		next();
		assert.deepEqual(sends("9.8"), ["closeUpstream"]);
	});
});
