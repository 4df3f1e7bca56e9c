// A real Envoy as a gateway of the control plane under measurement, on the machine of the API server. Behind it two servers, which
// are listeners of that same Envoy: what is asked through the gateway says which of them the endpoint names now.

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { gatewayBootstrap } from "../support/gateway-bootstrap.ts";

export const gatewayPort = 18_080;
/** Of the two servers, which answer with their own port. */
export const serverPorts = [18_081, 18_082] as const;

export interface BenchGateway {
	/** Asks until the answer is `port`; resolves with the time, in performance.now(). */
	answers(port: number, limitMs: number): Promise<number>;
	close(): void;
}

export function startGateway(directory: string, networkNamespace: string, address: string): BenchGateway {
	const file = join(directory, "envoy.json");
	writeFileSync(
		file,
		JSON.stringify(
			gatewayBootstrap(
				join(directory, "xds.sock"),
				"keepmesh-bench",
				serverPorts.map((port) => server(address, port)),
			),
		),
	);
	const binary = join(import.meta.dirname, "../../.keepmesh/envoy");
	const envoy: ChildProcess = spawn(
		"nsenter",
		[`--net=${networkNamespace}`, binary, "-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "error"],
		{ stdio: "inherit" },
	);
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	Object.assign(agent, {
		createConnection: (_: unknown, done: (error: Error | null, socket?: unknown) => void) => {
			connectInNamespace(networkNamespace, { host: "127.0.0.1", port: gatewayPort }, 1_000).then(
				(socket) => done(null, socket.setNoDelay(true)),
				(error: Error) => done(error),
			);
		},
	});
	const ask = (): Promise<string> =>
		new Promise((resolve, reject) => {
			get({ host: "127.0.0.1", port: gatewayPort, path: "/", agent, timeout: 1_000 }, (response) => {
				let body = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					body += chunk;
				});
				response.on("end", () => resolve(body));
			}).on("error", reject);
		});
	return {
		answers: async (port, limitMs) => {
			const endMs = performance.now() + limitMs;
			while ((await ask().catch(() => "")) !== String(port)) {
				if (performance.now() > endMs) throw new Error(`the gateway did not answer ${port} within ${limitMs} ms`);
				await new Promise((done) => setTimeout(done, 0));
			}
			return performance.now();
		},
		close: () => {
			agent.destroy();
			envoy.kill("SIGKILL");
		},
	};
}

function server(address: string, port: number): object {
	return {
		name: `server-${port}`,
		address: { socket_address: { address, port_value: port } },
		filter_chains: [
			{
				filters: [
					{
						name: "envoy.filters.network.http_connection_manager",
						typed_config: {
							"@type":
								"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
							stat_prefix: "server",
							route_config: {
								virtual_hosts: [
									{
										name: "all",
										domains: ["*"],
										routes: [
											{
												match: { prefix: "/" },
												direct_response: { status: 200, body: { inline_string: String(port) } },
											},
										],
									},
								],
							},
							http_filters: [
								{
									name: "envoy.filters.http.router",
									typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
								},
							],
						},
					},
				],
			},
		],
	};
}
