// Program: asks the kernels of several nodes who holds an address, at each of their events and every few milliseconds.
// Arguments: ADDRESS INTERFACE NODE=/run/netns/NAME... On standard input: `begin`, then `end`, which prints the OwnerSpans as one
// line of JSON, with when it had looked first and last. An address on a link without carrier is nobody's: no client reaches it.

import { writeSync } from "node:fs";
import type { HostNetwork } from "../../kernel/host-network.ts";
import { BlockingLoop } from "../../kernel/linux/blocking-loop.ts";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { makeThreadRealTime } from "../../kernel/linux/real-time-thread.ts";
import { onLines } from "./line-input.ts";
import type { OwnerSpan } from "./owner-spans.ts";

const lookEveryUs = 5_000;

const [address = "", interfaceName = "", ...places] = process.argv.slice(2);
const loop = new BlockingLoop();
const nodes = places.map((place) => {
	const [node = "", netns = ""] = place.split("=");
	return { node, network: openLinuxHostNetwork({ loop, netns }), sinceUs: undefined as number | undefined };
});
let spans: OwnerSpan[] = [];
let isRunning = false;
let beganUs = 0;

const holds = (network: HostNetwork): boolean =>
	network.link(interfaceName)?.running === true &&
	network.addresses(interfaceName).some((one) => one.address === address);

function look(): void {
	if (!isRunning) return;
	for (const one of nodes) {
		const isHeld = holds(one.network);
		const nowUs = loop.nowUs();
		if (isHeld && one.sinceUs === undefined) one.sinceUs = nowUs;
		if (isHeld || one.sinceUs === undefined) continue;
		spans.push({ node: one.node, fromUs: one.sinceUs, toUs: nowUs });
		one.sinceUs = undefined;
	}
}

function lookAgain(): void {
	look();
	loop.at(loop.nowUs() + lookEveryUs, lookAgain);
}

for (const { network } of nodes)
	network.watch((event) => {
		if (event.type !== "routeAdded" && event.type !== "routeRemoved") look();
	});
onLines(
	loop,
	(line) => {
		if (line === "begin") {
			spans = [];
			for (const one of nodes) one.sinceUs = undefined;
			isRunning = true;
			look();
			beganUs = loop.nowUs();
			return;
		}
		look();
		isRunning = false;
		const open = nodes.flatMap(({ node, sinceUs }) => (sinceUs === undefined ? [] : [{ node, fromUs: sinceUs }]));
		writeSync(1, `${JSON.stringify({ spans: [...spans, ...open], beganUs, endUs: loop.nowUs() })}\n`);
	},
	() => loop.stop(),
);
makeThreadRealTime(55);
lookAgain();
loop.run();
process.exit(0);
