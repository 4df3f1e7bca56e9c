// Two hosts on a bridge, in namespaces of their own, each with its HostNetwork, all on one loop that the test drives.

import assert from "node:assert/strict";
import { createRig, type Host } from "../../node/namespace-rig.testing.ts";
import type { HostNetwork } from "../host-network.ts";
import { BlockingLoop } from "./blocking-loop.ts";
import { openLinuxHostNetwork } from "./linux-host-network.ts";

export interface TwoHosts {
	readonly directory: string;
	readonly loop: BlockingLoop;
	readonly a: Host;
	readonly b: Host;
	readonly networkA: HostNetwork;
	readonly networkB: HostNetwork;
	/** Runs the loop until it is so, for 3 s at most; returns how long it took. */
	until(isSo: () => boolean, what: string): number;
	runForMs(ms: number): void;
	close(): void;
}

export function startTwoHosts(): TwoHosts {
	const rig = createRig();
	const loop = new BlockingLoop();
	const [a, b] = [rig.addHost("a", "10.77.0.2"), rig.addHost("b", "10.77.0.3")];
	// Link-local addresses would be usable only after a second or two.
	for (const [host, address] of [
		[a, "fe80::a/64"],
		[b, "fe80::b/64"],
	] as const)
		host.exec("ip", "address", "add", address, "dev", "eth0", "nodad");
	const networkA = openLinuxHostNetwork({ loop, netns: a.netns });
	const networkB = openLinuxHostNetwork({ loop, netns: b.netns });
	const runForMs = (ms: number) => loop.run(loop.nowUs() + ms * 1000);
	return {
		directory: rig.directory,
		loop,
		a,
		b,
		networkA,
		networkB,
		runForMs,
		until: (isSo, what) => {
			const start = loop.nowUs();
			while (!isSo()) {
				assert.ok(loop.nowUs() < start + 3e6, `waited 3 s for: ${what}`);
				runForMs(1);
			}
			return loop.nowUs() - start;
		},
		close: () => {
			networkA.close();
			networkB.close();
			rig.close();
		},
	};
}
