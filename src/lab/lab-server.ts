// The daemon's API on a Unix socket that only its owner may open: GET /status, /pods, /events; POST /forward, /sync, /signal,
// /hold, /replace, /delete-pod, /shutdown.

import { createServer, type IncomingMessage, type Server } from "node:http";
import { constants } from "node:os";
import type { LabDaemon } from "./lab-daemon.ts";

type Body = Readonly<Record<string, unknown>>;

export function createLabServer(daemon: LabDaemon, shutdown: () => void): Server {
	return createServer((request, response) => {
		route(daemon, shutdown, request).then(
			(body) => respond(200, body),
			(error: unknown) => respond(400, { because: error instanceof Error ? error.message : String(error) }),
		);
		function respond(status: number, body: unknown): void {
			response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
		}
	});
}

async function route(daemon: LabDaemon, shutdown: () => void, request: IncomingMessage): Promise<unknown> {
	const url = new URL(request.url ?? "/", "http://lab");
	switch (`${request.method} ${url.pathname}`) {
		case "GET /status":
			return daemon.status();
		case "GET /pods":
			return daemon.workloads.pods().map((pod) => ({
				...pod,
				place: daemon.workloads.runnerOf(pod.name, pod.namespace)?.place,
			}));
		case "GET /events":
			return daemon.events(Number(url.searchParams.get("after") ?? 0));
		case "POST /forward": {
			const body = await readBody(request);
			const { name, port, wantedPort } = await daemon.forward(
				text(body, "name"),
				number(body, "port"),
				text(body, "target"),
			);
			return { name, port, wantedPort };
		}
		case "POST /sync":
			await daemon.sync();
			return { done: true };
		case "POST /signal": {
			const body = await readBody(request);
			return { done: daemon.signalProcess(text(body, "name"), signalOf(body)) };
		}
		case "POST /hold": {
			const body = await readBody(request);
			return { done: daemon.holdProcess(text(body, "name"), body.held === true) };
		}
		case "POST /replace": {
			const body = await readBody(request);
			return { done: daemon.replaceProcess(text(body, "name"), wordsOf(body)) };
		}
		case "POST /signal-pod": {
			const body = await readBody(request);
			const runner = daemon.workloads.runnerOf(text(body, "name"), text(body, "namespace"));
			runner?.signal(signalOf(body));
			return { done: runner !== undefined };
		}
		case "POST /delete-pod": {
			const body = await readBody(request);
			const graceMs = typeof body.graceMs === "number" ? body.graceMs : undefined;
			return { done: await daemon.workloads.deletePod(text(body, "name"), text(body, "namespace"), graceMs) };
		}
		case "POST /shutdown":
			setImmediate(shutdown);
			return { done: true };
		default:
			throw new Error(`no such request: ${request.method} ${url.pathname}`);
	}
}

async function readBody(request: IncomingMessage): Promise<Body> {
	let body = "";
	for await (const chunk of request) body += chunk;
	return JSON.parse(body) as Body;
}

function text(body: Body, key: string): string {
	const value = body[key];
	if (typeof value !== "string" || value === "") throw new Error(`${key} is missing`);
	return value;
}

function wordsOf({ words }: Body): Readonly<Record<string, string>> {
	if (typeof words !== "object" || words === null) throw new Error("words is missing");
	return Object.fromEntries(Object.entries(words).map(([from, to]) => [from, String(to)]));
}

function number(body: Body, key: string): number {
	const value = body[key];
	if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 65_535)
		throw new Error(`${key} is not a port`);
	return value;
}

function signalOf(body: Body): NodeJS.Signals {
	const name = text(body, "signal");
	if (!(name in constants.signals)) throw new Error(`${name} is no signal`);
	return name as NodeJS.Signals;
}
