// Questions to the API of a lab's control planes, from outside their network: the socket is made inside the client's namespace.

import { request } from "node:http";
import type { Lab } from "../../lab/lab.ts";
import { connectInNamespace } from "../../lab/namespace-socket.ts";
import { netnsPath } from "../../lab/network.ts";
import { apiPort } from "../../lab/plan/lab-commands.ts";
import type { LabHost } from "../../lab/plan/lab-network.ts";

const timeoutMs = 5_000;

/** The answer's JSON; rejects on a status of 300 and more. */
export async function askControl<Answer>(lab: Lab, control: LabHost, method: string, path: string): Promise<Answer> {
	const { client } = await lab.status();
	const socket = await connectInNamespace(netnsPath(client.netns), { host: control.address, port: apiPort }, timeoutMs);
	return new Promise((resolve, reject) => {
		const outgoing = request(
			{ method, path, host: control.address, port: apiPort, createConnection: () => socket, timeout: timeoutMs },
			(response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("error", reject);
				response.on("end", () => {
					if ((response.statusCode ?? 500) < 300) resolve(JSON.parse(text) as Answer);
					else
						reject(
							new Error(`${control.name} answers ${response.statusCode} to ${method} ${path}: ${text.slice(0, 300)}`),
						);
				});
			},
		);
		outgoing.on("timeout", () => outgoing.destroy(new Error(`${control.name} does not answer`)));
		outgoing.on("error", reject);
		outgoing.end();
	});
}
