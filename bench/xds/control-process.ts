// The control plane's process in the xds benchmark. `control DIRECTORY`: the real one, over files. `synthetic SERVICES`: the
// xDS server alone, over resources of random bytes.

import { readFileSync } from "node:fs";
import { startControl } from "../../src/app/control.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";
import type { ControlCommand, ControlReply, Usage } from "./messages.ts";
import { createSyntheticMesh } from "./synthetic-mesh.ts";

interface Serving {
	readonly port: number;
	changeEndpoint(round: number): void;
	close(): Promise<void>;
}

const [kind, argument = ""] = process.argv.slice(2);
const send = (reply: ControlReply): void => void process.send?.(reply);
const anyPort = { host: "127.0.0.1", port: 0 };

const serving = kind === "synthetic" ? await serveSynthetic(Number(argument)) : await serveFiles(argument);
send({ type: "listening", port: serving.port, loadSeconds: process.uptime(), usage: usage() });

process.on("message", async (command: ControlCommand) => {
	switch (command.type) {
		case "changeEndpoint":
			serving.changeEndpoint(command.round);
			break;
		case "usage":
			send({ type: "usage", usage: usage() });
			break;
		case "stop":
			await serving.close();
			process.disconnect?.();
			break;
		default:
			command satisfies never;
	}
});

async function serveFiles(directory: string): Promise<Serving> {
	const control = await startControl(
		{
			id: "bench",
			version: "0",
			resources: [directory],
			trustDomain: "cluster.local",
			insecureXds: anyPort,
			api: anyPort,
		},
		{ log: silentLog },
	);
	const changeEndpoint = (): void => {
		throw new Error("files are changed from outside");
	};
	return { port: control.xdsPort ?? 0, changeEndpoint, close: () => control.close() };
}

async function serveSynthetic(services: number): Promise<Serving> {
	const mesh = createSyntheticMesh(services);
	const server = await startXdsServer(
		{ listen: anyPort },
		{
			clock: realClock,
			log: silentLog,
			metrics: createMetrics(),
			source: {
				connect: (node) => ({ ok: true, proxyId: node.id }),
				configFor: (proxyId) => mesh.configFor(proxyId),
				disconnected: () => {},
			},
		},
	);
	return {
		port: "port" in server.address ? server.address.port : 0,
		changeEndpoint(round) {
			mesh.changeEndpoint(round);
			server.publish();
		},
		close: () => server.close(),
	};
}

function usage(): Usage {
	const { user, system } = process.cpuUsage();
	const status = readFileSync("/proc/self/status", "utf8");
	const kilobytes = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
	return {
		cpuSeconds: (user + system) / 1e6,
		rssMb: kilobytes("VmRSS") / 1024,
		peakRssMb: kilobytes("VmHWM") / 1024,
	};
}
