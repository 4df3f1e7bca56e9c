import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fieldsAt } from "../../envoy/wire-walk.ts";
import { anEndpointSlice, aProxy, applied, aService } from "../../model/model.testing.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import { decodeNameTable } from "../../xds/name-table-codec.ts";
import type { ResourcePart } from "../../xds/resource.ts";
import { NameTableParts } from "./name-table-parts.ts";

const objects = applied(
	aService("reviews", { clusterIP: "10.96.0.7" }),
	anEndpointSlice("reviews", ["10.1.0.1"]),
	aService("db", { clusterIP: "None" }),
	anEndpointSlice("db", ["10.1.0.2"]),
);

function ipsOf(part: ResourcePart | undefined, name: string): readonly string[] | undefined {
	const [resource] = part ? [...part.resources.values()] : [];
	const bytes = fieldsAt(resource?.any ?? new Uint8Array(), [2])[0] ?? new Uint8Array();
	return decodeNameTable(bytes)?.get(name)?.ips;
}

describe("the name tables of proxies", () => {
	it("are one object for all proxies of a namespace with the same services", () => {
		const { snapshot } = applyChanges(emptySnapshot(), objects);
		const parts = new NameTableParts();
		const [one, other] = ["a", "b"].map((name) =>
			aProxy(name, { ipAddresses: [name === "a" ? "10.9.0.1" : "10.9.0.2"] }),
		);
		assert.ok(one && other);
		const part = parts.partFor(snapshot, one, viewFor(snapshot, one));
		assert.equal(parts.partFor(snapshot, other, viewFor(snapshot, other)), part);
		assert.deepEqual(ipsOf(part, "reviews.default.svc.cluster.local"), ["10.96.0.7"]);
		assert.deepEqual(ipsOf(part, "db"), ["10.1.0.2"]);
	});

	it("follow the endpoints of headless services, and of no others", () => {
		const first = applyChanges(emptySnapshot(), objects).snapshot;
		const parts = new NameTableParts();
		const proxy = aProxy();
		const part = parts.partFor(first, proxy, viewFor(first, proxy));
		const second = applyChanges(first, applied(anEndpointSlice("reviews", ["10.1.0.9"]))).snapshot;
		assert.equal(parts.partFor(second, proxy, viewFor(second, proxy)), part);
		const third = applyChanges(second, applied(anEndpointSlice("db", ["10.1.0.3"]))).snapshot;
		assert.deepEqual(ipsOf(parts.partFor(third, proxy, viewFor(third, proxy)), "db"), ["10.1.0.3"]);
	});
});
