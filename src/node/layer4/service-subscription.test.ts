import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { encodedFromBytes } from "../../envoy/encode-resource.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import { encodeLayer4Service, layer4ServiceTypeUrl } from "../../l4/service-codec.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { ServiceSubscription } from "./service-subscription.ts";

function resource(name: string, port = 80) {
	const service: Layer4Service = {
		namespace: "default",
		name,
		clusterAddresses: ["10.96.0.1"],
		externalAddresses: [],
		loadBalancerAddresses: [],
		ports: [{ name: "", protocol: "tcp", port, endpoints: [] }],
		externalPolicy: "Cluster",
		internalPolicy: "Cluster",
		sourceRanges: [],
	};
	return encodedFromBytes(`default/${name}`, layer4ServiceTypeUrl, encodeLayer4Service(service));
}

describe("a node's subscription to Services", () => {
	let clock: VirtualClock;
	let have: Map<string, Layer4Service>;
	let subscription: ServiceSubscription;
	const take = (resources: readonly ReturnType<typeof resource>[], removed: readonly string[] = []) =>
		subscription.take({ typeUrl: layer4ServiceTypeUrl, nonce: "1", resources, removed });
	const many = Array.from({ length: 30 }, (_, index) => resource(`s${index}`));
	const names = many.map(({ name }) => name);

	beforeEach(() => {
		clock = new VirtualClock();
		have = new Map();
		subscription = new ServiceSubscription({
			clock,
			log: silentLog,
			onServices: (changed) => {
				for (const [name, service] of changed)
					if (service) have.set(name, service);
					else have.delete(name);
			},
		});
	});

	it("hands changes on and says which versions it has", () => {
		const [a, b] = [resource("a"), resource("b")];
		assert.equal(take([a, b]), undefined);
		assert.deepEqual([...have.keys()], ["default/a", "default/b"]);
		take([resource("a", 81)], ["default/b"]);
		assert.deepEqual([...have.keys()], ["default/a"]);
		assert.deepEqual([...subscription.versions()], [["default/a", resource("a", 81).version]]);
	});

	it("puts what was kept in force before any control plane answers", () => {
		subscription.restore(many);
		assert.equal(have.size, 30);
		assert.equal(subscription.versions().size, 30);
	});

	it("refuses what it cannot read and takes the rest", () => {
		const broken = encodedFromBytes("default/broken", layer4ServiceTypeUrl, new TextEncoder().encode("?"));
		assert.match(take([resource("a"), broken]) ?? "", /default\/broken/);
		assert.deepEqual([...have.keys()], ["default/a"]);
		assert.deepEqual([...subscription.versions().keys()], ["default/a"]);
	});

	it("keeps Services for a while when most of them go at once, and says so", () => {
		take(many);
		take([], names.slice(0, 29));
		assert.equal(have.size, 30);
		assert.match(subscription.problems()[0]?.because ?? "", /29 of 30/);
		clock.advance(29_000);
		assert.equal(have.size, 30);
		clock.advance(2_000);
		assert.deepEqual([...have.keys()], ["default/s29"]);
		assert.deepEqual(subscription.problems(), []);
	});

	it("has nothing of it on disk until they are removed, so that an agent that restarts meanwhile keeps them too", () => {
		const disk: string[] = [];
		const write = (what: string) => subscription.write(() => disk.push(what));
		take(many);
		write("all");
		take([], names);
		write("gone");
		clock.advance(29_000);
		take([resource("s1", 81)]);
		write("s1");
		assert.deepEqual(disk, ["all"]);
		clock.advance(2_000);
		assert.deepEqual(disk, ["all", "gone", "s1"]);
		write("later");
		assert.equal(disk.length, 4);
	});

	it("holds again what a run before it held: the disk has all, and the control planes say again that they are gone", () => {
		subscription.restore(many);
		take([], names);
		clock.advance(29_000);
		assert.equal(have.size, 30);
		clock.advance(2_000);
		assert.equal(have.size, 0);
	});

	it("does not wait longer because other Services change meanwhile", () => {
		take(many);
		take([], names);
		for (let second = 0; second < 31; second++) {
			clock.advance(1_000);
			take([resource("other", 1 + second)]);
		}
		assert.deepEqual([...have.keys()], ["default/other"]);
	});

	it("forgets that they went when they come back meanwhile", () => {
		take(many);
		take([], names);
		take(many.slice(0, 25));
		clock.advance(31_000);
		assert.equal(have.size, 25);
	});

	it("lets a few go at once, and of a small set all", () => {
		take(many);
		take([], names.slice(0, 10));
		assert.equal(have.size, 20);
		take([], names.slice(10));
		assert.equal(have.size, 0);
	});
});
