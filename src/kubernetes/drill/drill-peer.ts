// Program: what a drill has in a pod of the cluster. It serves HTTP on 8080, and takes orders on 9999, which the API server's pod
// proxy reaches: to send and hold connections; where the pod is privileged also to break things on its node. Arguments:
// `--linger-ms N`: it serves on for so long after SIGTERM; `--order-port N`, `--served-port N`. All times of answers are microseconds of
// CLOCK_MONOTONIC.

import { createServer, type IncomingMessage } from "node:http";
import { parseArgs } from "node:util";
import { callerHeader, type Order, orderPort, servedPort, tokenVariable } from "./drill-order.ts";
import type { OrderGroup } from "./order-group.ts";
import { agentOrders } from "./peer-agent.ts";
import { layer4Orders } from "./peer-layer4.ts";
import { loadOrders } from "./peer-load.ts";
import { localOrders } from "./peer-local.ts";
import { processOrders } from "./peer-process.ts";
import { programOrders } from "./peer-programs.ts";
import { undoAll, undoOrders } from "./peer-undo.ts";
import { virtualIpOrders } from "./peer-virtual-ip.ts";
import { wireOrders } from "./peer-wire.ts";
import { textOf } from "./text-of.ts";

/** Two groups with an order of the same name do not compile. */
const orders: OrderGroup<Order> = {
	...agentOrders,
	...layer4Orders,
	...loadOrders,
	...localOrders,
	...processOrders,
	...programOrders,
	...undoOrders,
	...wireOrders,
	...virtualIpOrders,
};
const { values } = parseArgs({
	options: {
		"linger-ms": { type: "string", default: "0" },
		"order-port": { type: "string", default: String(orderPort) },
		"served-port": { type: "string", default: String(servedPort) },
	},
});

async function obey(message: IncomingMessage): Promise<object> {
	const { token, ...order } = JSON.parse((await textOf(message)) || '{"order":"clock"}') as Order & { token?: string };
	// What time it is may be asked by its like.
	if (token !== process.env[tokenVariable] && order.order !== "clock")
		throw new Error("orders are the drill's to give");
	const handler = orders[order.order] as ((order: Order) => Promise<object> | object) | undefined;
	if (!handler) throw new Error(`this version knows no order ${order.order}`);
	return await handler(order as Order);
}

/** Of the URI of `x-forwarded-client-cert`. */
function callerOf({ headers }: IncomingMessage): string {
	return /URI=([^;,"]+)/.exec(String(headers["x-forwarded-client-cert"] ?? ""))?.[1] ?? "plaintext";
}

function serve(): void {
	createServer((message, response) => {
		response.setHeader(callerHeader, callerOf(message));
		response.end("good\n");
	}).listen(Number(values["served-port"]));
	createServer((message, response) => {
		// The API server keeps connections, and would meet one that has just been closed for its age.
		response.setHeader("connection", "close");
		obey(message).then(
			(result) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result)),
			(error: unknown) =>
				response
					.writeHead(500, { "content-type": "application/json" })
					.end(JSON.stringify({ because: error instanceof Error ? error.message : String(error) })),
		);
	}).listen(Number(values["order-port"]));
	for (const signal of ["SIGTERM", "SIGINT"] as const)
		process.once(
			signal,
			() => void undoAll().finally(() => setTimeout(() => process.exit(0), Number(values["linger-ms"]))),
		);
}

void undoAll().finally(serve);
