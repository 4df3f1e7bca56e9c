// Links and routes with a network in memory: what counts as up, and that only what concerns the check is looked at.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HostRoute, LinkState, NetworkEvent } from "../../kernel/host-network.ts";
import { observe } from "./probe.testing.ts";

function memoryNetwork() {
	const links = new Map<string, LinkState>();
	const routes: HostRoute[] = [];
	const listeners = new Set<(event: NetworkEvent) => void>();
	let asked = 0;
	return {
		routes,
		asked: () => asked,
		listening: () => listeners.size,
		emit: (event: NetworkEvent): void => {
			for (const listener of listeners) listener(event);
		},
		set: (name: string, up: boolean, running: boolean): NetworkEvent => {
			const link = { index: 1, name, mac: "", up, running, mtu: 1500, kind: "" };
			links.set(name, link);
			return { type: "link", link };
		},
		remove: (name: string): NetworkEvent => {
			links.delete(name);
			return { type: "linkGone", name };
		},
		network: {
			link: (name: string): LinkState | undefined => {
				asked++;
				return links.get(name);
			},
			links: (): readonly LinkState[] => [...links.values()],
			routes: (): readonly HostRoute[] => routes,
			watch: (listener: (event: NetworkEvent) => void): (() => void) => {
				listeners.add(listener);
				return () => listeners.delete(listener);
			},
		},
	};
}

describe("link probes", () => {
	it("know the state at the start and each change, and ask for nothing else", () => {
		const rig = memoryNetwork();
		rig.set("eth1", true, true);
		const { results, close } = observe({ type: "interface", interface: "eth1" }, { network: rig.network });
		rig.emit(rig.set("eth1", true, false));
		rig.emit(rig.set("eth1", false, false));
		rig.emit(rig.set("eth2", false, false));
		assert.equal(rig.asked(), 3);
		rig.emit(rig.remove("eth1"));
		rig.set("eth1", true, true);
		rig.emit({ type: "eventsLost" });
		assert.deepEqual(
			results.map((result) => `${result.ok} ${result.because}`),
			[
				"true eth1 is up",
				"false eth1 has no carrier",
				"false eth1 is switched off",
				"false there is no eth1",
				"true eth1 is up",
			],
		);
		close();
		assert.equal(rig.listening(), 0);
	});
});

describe("route probes", () => {
	it("are good while the route is there", () => {
		const rig = memoryNetwork();
		const route: HostRoute = { family: "ipv4", destination: "default", table: 254, type: "unicast", owned: false };
		const { results, close } = observe({ type: "route", destination: "default" }, { network: rig.network });
		rig.routes.push(route);
		rig.emit({ type: "routeAdded", route });
		rig.emit({ type: "routeAdded", route: { ...route, destination: "10.0.0.0/8" } });
		rig.routes.pop();
		rig.emit({ type: "routeRemoved", route });
		close();
		assert.deepEqual(
			results.map((result) => result.ok),
			[false, true, false],
		);
	});
});
