// Merged metrics of a pod. In: GET /pods/UID/stats/prometheus, which the pod's Envoy forwards from its port 15020. Out:
// what the agent knows of the pod's certificate, Envoy's own statistics, then the application's, streamed one after the other; an application that does not answer is left out
// and told in a comment.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { envoyAdmin } from "./envoy-admin.ts";
import type { NodeAgent } from "./node-agent.ts";
import { appMetricsOf } from "./plan/pod-bootstrap.ts";
import type { PodSpec } from "./plan/pod-spec.ts";

const textFormat = "text/plain; version=0.0.4";

/**
 * `ownMetrics`: what the agent itself counts for a pod, Prometheus' text format. `ownerOf`: the uid of the one pod that a
 * connection may ask for; undefined: any.
 */
export function createMetricsServer(
	agent: NodeAgent,
	ownMetrics: (pod: PodSpec) => string,
	ownerOf: (socket: Socket) => string | undefined = () => undefined,
): Server {
	return createServer((request, response) => {
		const uid = request.url?.match(/^\/pods\/([^/?]+)\/stats\/prometheus(?:\?.*)?$/)?.[1];
		const owner = ownerOf(request.socket);
		const isOwn = owner === undefined || owner === uid;
		const supervisor = uid === undefined || !isOwn ? undefined : agent.supervisorOf(decodeURIComponent(uid));
		if (!supervisor) {
			response.writeHead(404).end("no such pod\n");
			return;
		}
		const app = appMetricsOf(supervisor.pod);
		response.writeHead(200, { "content-type": textFormat });
		response.write(ownMetrics(supervisor.pod));
		const parts = [() => supervisor.admin.stream("/stats/prometheus")];
		if (app) {
			const throughEnvoy = envoyAdmin(supervisor.paths.appMetricsSocket);
			// Envoy puts the real path in; a query would be lost otherwise.
			parts.push(() => throughEnvoy.stream("/", { accept: textFormat }));
		}
		void writeParts(response, parts);
	});
}

async function writeParts(response: ServerResponse, parts: readonly (() => Promise<IncomingMessage>)[]): Promise<void> {
	for (const open of parts) {
		try {
			const source = await open();
			if (source.statusCode === 200) await copyMetrics(source, response);
			else {
				source.resume();
				response.write(`# keepmesh: a source answered ${source.statusCode}\n`);
			}
		} catch (error) {
			response.write(`# keepmesh: a source failed: ${error instanceof Error ? error.message : "unknown"}\n`);
		}
		if (response.destroyed) return;
	}
	response.end();
}

/** Ends with a newline and without OpenMetrics' end mark, so that another part may follow. */
async function copyMetrics(source: IncomingMessage, response: ServerResponse): Promise<void> {
	let held = "";
	for await (const chunk of source.setEncoding("utf8")) {
		const text = held + (chunk as string);
		const lineStart = text.lastIndexOf("\n") + 1;
		held = text.slice(lineStart);
		const whole = text.slice(0, lineStart).replace(/^# EOF\n/m, "");
		if (response.destroyed) return;
		if (whole !== "" && !response.write(whole))
			await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
	}
	if (held !== "" && held !== "# EOF") response.write(`${held}\n`);
}
