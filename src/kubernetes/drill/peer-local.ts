// Orders to ask what listens on the loopback of another pod of the node, or of the node's agent: a control plane's API, an Envoy's admin.
// In: the pod's uid, port and path. Out: status and text, whatever they are.

import { type RequestOptions, request } from "node:http";
import { connectInNamespace } from "../../lab/namespace-socket.ts";
import { agentDirectory } from "./drill-order.ts";
import type { OrderGroup } from "./order-group.ts";
import { netnsPathOf } from "./peer-process.ts";
import { textOf } from "./text-of.ts";

export interface LocalCall {
	/** Default GET. */
	readonly method?: "GET" | "POST";
	readonly path: string;
}

export type LocalOrder =
	| ({ readonly order: "local"; readonly uid: string; readonly port: number } & LocalCall)
	/** Of the node's agent. */
	| ({ readonly order: "agent" } & LocalCall);

export interface LocalAnswer {
	readonly status: number;
	readonly text: string;
}

const timeoutMs = 2_000;

export const localOrders: OrderGroup<LocalOrder> = {
	local: async ({ method = "GET", path, port, uid }) => {
		const socket = await connectInNamespace(netnsPathOf(uid), { host: "127.0.0.1", port }, timeoutMs);
		try {
			return await ask({ method, path, host: "127.0.0.1", port, createConnection: () => socket });
		} finally {
			socket.destroy();
		}
	},
	agent: ({ method = "GET", path }) => ask({ method, path, socketPath: `${agentDirectory}/node.sock`, agent: false }),
};

function ask(options: RequestOptions): Promise<LocalAnswer> {
	return new Promise((resolve, reject) => {
		const asked = request(options, (response) => {
			textOf(response)
				.then((text) => resolve({ status: response.statusCode ?? 0, text }), reject)
				.finally(() => clearTimeout(timer));
		});
		// The request's own `timeout` does nothing for a socket that it did not make.
		const timer = setTimeout(() => asked.destroy(new Error("it does not answer")), timeoutMs);
		asked.on("error", reject).end();
	});
}
