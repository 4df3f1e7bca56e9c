// The control plane's process in the xds benchmark: argv is the kind of mesh and its number of services.

import { readFileSync } from "node:fs";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import type { XdsServer } from "../../src/xds/wire/config-source.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";
import type { BenchMesh } from "./bench-mesh.ts";
import { type ControlCommand, type ControlReply, machineMs, type Usage } from "./messages.ts";

const [kind, services] = process.argv.slice(2);
const send = (reply: ControlReply): void => void process.send?.(reply);

let server: XdsServer | undefined;
const mesh = await createMesh(kind ?? "pipeline", Number(services), (proxyIds) => server?.publish(proxyIds));
await mesh.ready();
server = await startXdsServer(
	{ listen: { host: "127.0.0.1", port: 0 } },
	{
		clock: realClock,
		log: silentLog,
		metrics: createMetrics(),
		source: {
			connect: (node) => ({ ok: true, proxyId: mesh.connect(node) }),
			configFor: (proxyId) => mesh.configFor(proxyId),
			disconnected: (proxyId) => mesh.disconnect(proxyId),
		},
	},
);
if (!("port" in server.address)) throw new Error("the server has no port");
send({ type: "listening", port: server.address.port, loadSeconds: process.uptime(), usage: usage() });

process.on("message", async (command: ControlCommand) => {
	switch (command.type) {
		case "changeEndpoint":
			send({ type: "changing", atMs: machineMs() });
			mesh.changeEndpoint(command.round);
			break;
		case "usage":
			send({ type: "usage", usage: usage() });
			break;
		case "stop":
			await server?.close();
			process.disconnect?.();
			break;
		default:
			command satisfies never;
	}
});

async function createMesh(
	kind: string,
	services: number,
	publish: (proxyIds?: readonly string[]) => void,
): Promise<BenchMesh> {
	if (kind === "pipeline") return (await import("./pipeline-mesh.ts")).createPipelineMesh(services, publish);
	if (kind === "synthetic") return (await import("./synthetic-mesh.ts")).createSyntheticMesh(services, publish);
	throw new Error(`no such mesh: ${kind}`);
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
