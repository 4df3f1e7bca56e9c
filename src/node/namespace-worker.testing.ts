// A process inside a test's network namespace that serves and connects as the test tells it: one JSON line each way.

import { createSocket } from "node:dgram";
import { createServer as createHttpServer, request } from "node:http";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

type Command =
	| { readonly op: "serveHttp"; readonly port: number; readonly name: string; readonly host?: string }
	| { readonly op: "serveGreeting"; readonly port: number; readonly greeting: string }
	| { readonly op: "serveUdp"; readonly port: number; readonly name: string }
	| { readonly op: "udp"; readonly host: string; readonly port: number }
	| { readonly op: "serveControl"; readonly port: number }
	| {
			readonly op: "http";
			readonly host: string;
			readonly port: number;
			readonly path?: string;
			/** After so long without a byte it is given up. Default 3 s. */
			readonly timeoutMs?: number;
	  }
	| { readonly op: "greeting"; readonly host: string; readonly port: number }
	| {
			readonly op: "load";
			readonly host: string;
			readonly port: number;
			readonly durationMs: number;
			readonly intervalMs: number;
			/** Goes on beyond its time until so many were sent: where a machine is slow. */
			readonly atLeast?: number;
	  }
	/** Ends the loads that are under way before their time. */
	| { readonly op: "stopLoads" };

const timeoutMs = 3000;
let loads = new AbortController();

async function perform(command: Command): Promise<unknown> {
	switch (command.op) {
		case "serveHttp": {
			const server = createHttpServer((incoming, response) => {
				const { remoteAddress, localAddress } = incoming.socket;
				const slowMs = Number(incoming.url?.match(/slow=(\d+)/)?.[1] ?? 0);
				if (incoming.url?.startsWith("/metrics")) {
					response.writeHead(200, { "content-type": "text/plain" });
					response.end(`# TYPE app_requests counter\napp_requests{name="${command.name}"} 7\n# EOF\n`);
					return;
				}
				setTimeout(() => {
					response.end(JSON.stringify({ name: command.name, url: incoming.url, remoteAddress, localAddress }));
				}, slowMs);
			});
			await new Promise<void>((resolve, reject) =>
				server.once("error", reject).listen(command.port, command.host ?? "0.0.0.0", () => resolve()),
			);
			return {};
		}
		case "serveGreeting": {
			const server = createServer((socket) => {
				socket.on("error", () => {});
				socket.write(command.greeting);
				socket.on("data", (bytes) => socket.end(`you said ${bytes}`));
			});
			await new Promise<void>((resolve, reject) =>
				server.once("error", reject).listen(command.port, "0.0.0.0", () => resolve()),
			);
			return {};
		}
		case "serveUdp": {
			const socket = createSocket("udp4");
			socket.on("message", (_, from) => socket.send(command.name, from.port, from.address));
			await new Promise<void>((resolve) => socket.bind(command.port, resolve));
			return {};
		}
		case "udp":
			return new Promise((resolve) => {
				const socket = createSocket("udp4");
				const finish = (result: object): void => {
					clearTimeout(timer);
					socket.close();
					resolve(result);
				};
				const timer = setTimeout(() => finish({ error: "no answer in time" }), 400);
				socket.on("message", (bytes, from) => finish({ text: String(bytes), from: from.address }));
				socket.on("error", (error) => finish({ error: error.message }));
				socket.send("?", command.port, command.host);
			});
		case "serveControl": {
			// Loaded only where it is wanted: Envoy's types take a while.
			const { createFakeControl } = await import("./fake-control.testing.ts");
			return { port: await createFakeControl().listen(command.port) };
		}
		case "http":
			return get(command.host, command.port, command.path ?? "/", command.timeoutMs);
		case "greeting":
			return new Promise((resolve) => {
				const socket = connect(command.port, command.host);
				socket.setTimeout(timeoutMs, () => socket.destroy(new Error("nothing came")));
				let text = "";
				let first = "";
				const startedMs = performance.now();
				let greetedMs = 0;
				socket.on("data", (bytes) => {
					if (first === "") {
						first = String(bytes);
						greetedMs = performance.now() - startedMs;
						socket.write("hello");
					} else text += bytes;
				});
				socket.on("error", (error) => resolve({ error: error.message }));
				socket.on("close", () => resolve({ first, text, greetedMs }));
			});
		case "load": {
			const pending: Promise<{ status?: number; error?: string; atMs: number }>[] = [];
			const untilMs = performance.now() + command.durationMs;
			const { signal } = loads;
			while ((performance.now() < untilMs && !signal.aborted) || pending.length < (command.atLeast ?? 0)) {
				const atMs = Date.now();
				pending.push(get(command.host, command.port, "/").then((result) => ({ ...result, atMs })));
				await new Promise((resolve) => setTimeout(resolve, command.intervalMs));
			}
			const results = await Promise.all(pending);
			const failures = results.filter((result) => result.status !== 200);
			return {
				sent: results.length,
				failed: failures.length,
				errors: [...new Set(failures.map((f) => f.error ?? f.status))],
				failedAtMs: failures.map(({ atMs }) => atMs),
			};
		}
		case "stopLoads":
			loads.abort();
			loads = new AbortController();
			return {};
		default:
			return command satisfies never;
	}
}

function get(
	host: string,
	port: number,
	path: string,
	timeout = timeoutMs,
): Promise<{ status?: number; body?: string; error?: string }> {
	return new Promise((resolve) => {
		const outgoing = request({ host, port, path, agent: false, timeout }, (response) => {
			let body = "";
			response.setEncoding("utf8").on("data", (text: string) => {
				body += text;
			});
			response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
			response.on("error", (error) => resolve({ error: error.message }));
		});
		outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
		outgoing.on("error", (error) => resolve({ error: error.message }));
		outgoing.end();
	});
}

for await (const line of createInterface({ input: process.stdin })) {
	const { id, command } = JSON.parse(line) as { id: number; command: Command };
	void perform(command)
		.catch((error: unknown) => ({ error: String(error) }))
		.then((result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`));
}
process.exit(0);
