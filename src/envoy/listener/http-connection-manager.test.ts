import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { HttpConnectionManagerSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { type HttpDirection, httpConnectionManager } from "./http-connection-manager.ts";

function filtersOf(direction: HttpDirection): readonly string[] {
	const { configType } = httpConnectionManager(defaultMeshSettings, { direction, statPrefix: "p", routes: "9080" });
	assert.ok(configType.case === "typedConfig");
	const manager = anyUnpack(configType.value, HttpConnectionManagerSchema);
	return (manager?.httpFilters ?? []).map(({ name, disabled }) =>
		disabled ? `${name}, if a route asks for it` : name,
	);
}

describe("the HTTP filters of", () => {
	for (const direction of ["outbound", "gateway"] as const) {
		it(`${direction} listeners are there for every rule, but only the router is in the way of every request`, () => {
			assert.deepEqual(filtersOf(direction), [
				"envoy.filters.http.fault, if a route asks for it",
				"envoy.filters.http.cors, if a route asks for it",
				"envoy.filters.http.set_filter_state, if a route asks for it",
				"envoy.filters.http.router",
			]);
		});
	}

	it("inbound listeners are the router alone: no route of theirs has faults or CORS", () => {
		assert.deepEqual(filtersOf("inbound"), ["envoy.filters.http.router"]);
	});
});
