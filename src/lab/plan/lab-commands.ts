// The command lines of a lab's control planes, node agents and virtual-IP processes.

import type { LabHost, LabNetwork, LabNode } from "./lab-network.ts";

export const xdsPort = 15_012;
export const apiPort = 15_014;
/** In front of the control planes; whoever owns it takes writes. */
export const controlVip = "10.77.0.100";

export interface LabCommandInput {
	readonly keepmesh: readonly string[];
	readonly network: LabNetwork;
	readonly envoy: string;
}

const inside = (netns: string, command: readonly string[]): readonly string[] => [
	"nsenter",
	`--net=/run/netns/${netns}`,
	"--",
	...command,
];

export function controlCommand(
	{ keepmesh, network }: LabCommandInput,
	control: LabHost,
	directories: { readonly resources: string; readonly data: string; readonly ca: string },
): readonly string[] {
	const others = network.controls.filter(({ name }) => name !== control.name);
	return inside(control.netns, [
		...keepmesh,
		"control",
		"--resources",
		directories.resources,
		"--data",
		directories.data,
		"--ca",
		directories.ca,
		...["--xds", `0.0.0.0:${xdsPort}`, "--advertise", `${control.address}:${xdsPort}`],
		...["--api", `0.0.0.0:${apiPort}`],
		...(others.length === 0 ? [] : ["--leader-vip", `${controlVip}/24`]),
		...others.flatMap(({ address }) => ["--peer", `${address}:${xdsPort}`]),
		"--id",
		control.name,
		"--rotation-settle",
		"1s",
	]);
}

/** Each node prefers another control plane, so that they share the load. */
export function nodeCommand(
	input: LabCommandInput,
	node: LabNode,
	files: { readonly state: string; readonly joinToken: string },
): readonly string[] {
	const { controls } = input.network;
	const first = (node.number - 1) % Math.max(1, controls.length);
	const ordered = [...controls.slice(first), ...controls.slice(0, first)];
	return inside(node.netns, [
		...input.keepmesh,
		"node",
		"--node",
		node.name,
		"--state",
		files.state,
		"--control",
		ordered.map((control) => `${control.address}:${xdsPort}`).join(","),
		"--dns-listen",
		`${node.podGateway}:53`,
		// The client is the world outside: what it answers on port 53 exists; without a server names fail at once.
		"--upstream-dns",
		`${input.network.client.address}:53`,
		"--join-token-file",
		files.joinToken,
		"--envoy",
		input.envoy,
	]);
}

/** It reads the lab's resources by itself. */
export function vipCommand(
	keepmesh: readonly string[],
	node: LabNode,
	directories: { readonly resources: string; readonly state: string },
): readonly string[] {
	const { resources, state } = directories;
	return inside(node.netns, [
		...keepmesh,
		...["vip", "run", "--resources", resources, "--node", node.name, "--state", state],
	]);
}
