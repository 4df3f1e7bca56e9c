import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Locality } from "../../model/endpoint.ts";
import type { LocalityLbSetting } from "../../resources/kinds/networking.ts";
import { endpoint } from "../views.testing.ts";
import { type ClientPlace, localityGroups } from "./locality-groups.ts";

const place = (text: string): Locality => {
	const [region = "", zone = "", subzone = ""] = text.split("/");
	return { region, zone, subzone };
};

const client: ClientPlace = { locality: place("eu/a/1"), network: "n1", clusterId: "c1", labels: { app: "shop" } };

const places = ["eu/a/1", "eu/a/2", "eu/b/1", "us/a/1", "asia/a/1"];
const endpoints = places.map((text, index) => endpoint(`10.0.0.${index}`, { locality: place(text), network: "n1" }));

/** `priority*weight` of each locality, in the order of the names. */
function outcome(
	setting: LocalityLbSetting | undefined,
	failover: boolean,
	members = endpoints,
): Record<string, string> {
	const groups = localityGroups(members, setting && { setting, failover }, client);
	return Object.fromEntries(
		groups.map((one) => [
			`${one.locality.region}/${one.locality.zone}/${one.locality.subzone}`,
			`${one.priority}*${one.weight}`,
		]),
	);
}

describe("locality groups", () => {
	it("are equal in priority and as heavy as their endpoints when no setting is in force", () => {
		const heavy = [...endpoints, endpoint("10.0.1.1", { locality: place("eu/a/1"), weight: 5 })];
		assert.deepEqual(outcome(undefined, false, heavy), {
			"asia/a/1": "0*1",
			"eu/a/1": "0*6",
			"eu/a/2": "0*1",
			"eu/b/1": "0*1",
			"us/a/1": "0*1",
		});
	});

	it("fail over by distance: subzone, zone, region, elsewhere", () => {
		assert.deepEqual(outcome({}, true), {
			"eu/a/1": "0*1",
			"eu/a/2": "1*1",
			"eu/b/1": "2*1",
			"us/a/1": "3*1",
			"asia/a/1": "3*1",
		});
	});

	it("fail over to the region that `failover` names before others", () => {
		assert.deepEqual(outcome({ failover: [{ from: "eu", to: "asia" }] }, true), {
			"eu/a/1": "0*1",
			"eu/a/2": "1*1",
			"eu/b/1": "2*1",
			"asia/a/1": "3*1",
			"us/a/1": "4*1",
		});
	});

	it("leave no gap between priorities, which Envoy would refuse", () => {
		const far = endpoints.filter(({ locality }) => locality.region !== "eu");
		assert.deepEqual(outcome({ failover: [{ from: "eu", to: "asia" }] }, true, far), {
			"asia/a/1": "0*1",
			"us/a/1": "1*1",
		});
	});

	it("do not fail over without outlier detection", () => {
		assert.deepEqual(
			new Set(Object.values(outcome({ failover: [{ from: "eu", to: "us" }] }, false))),
			new Set(["0*1"]),
		);
	});

	it("distribute as told, and drop the places that are not named", () => {
		const setting = { distribute: [{ from: "eu/*", to: { "eu/a/*": 70, "us/*": 30 } }] };
		assert.deepEqual(outcome(setting, false), { "eu/a/1": "0*35", "eu/a/2": "0*35", "us/a/1": "0*30" });
	});

	it("distribute only for clients of the place that the rule is for", () => {
		const setting = { distribute: [{ from: "us/*", to: { "us/*": 100 } }] };
		assert.equal(Object.keys(outcome(setting, false)).length, 5);
	});

	it("give `*` what more exact places leave", () => {
		const setting = { distribute: [{ from: "*", to: { "*": 10, "eu/a/1": 90 } }] };
		assert.deepEqual(outcome(setting, false), {
			"eu/a/1": "0*90",
			"eu/a/2": "0*3",
			"eu/b/1": "0*3",
			"us/a/1": "0*3",
			"asia/a/1": "0*3",
		});
	});

	it("rank by failoverPriority: labels in order, the first miss decides", () => {
		const members = [
			endpoint("10.0.0.1", { locality: place("eu/a/1"), network: "n1", labels: { app: "shop" } }),
			endpoint("10.0.0.2", { locality: place("eu/a/1"), network: "n1", labels: { app: "other" } }),
			endpoint("10.0.0.3", { locality: place("eu/a/1"), network: "n2", labels: { app: "shop" } }),
		];
		const ranks = (failoverPriority: readonly string[]) =>
			localityGroups(members, { setting: { failoverPriority }, failover: true }, client).map((one) => [
				one.priority,
				one.endpoints.map(({ address }) => address.slice(-1)).join(),
			]);
		assert.deepEqual(ranks(["topology.istio.io/network", "app"]), [
			[0, "1"],
			[1, "2"],
			[2, "3"],
		]);
		assert.deepEqual(ranks(["app=other"]), [
			[0, "2"],
			[1, "1,3"],
		]);
	});
});
