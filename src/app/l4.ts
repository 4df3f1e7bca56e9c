// Layer 4 by itself, without a mesh and without a control plane. In: a source of Services, files or an API server; settings. Out:
// this machine's rules, an API on a Unix socket that tells of them.

import { createServer, type Server } from "node:http";
import { type SocketHolder, socketHolder } from "../node/socket-holder.ts";
import { listenOnSocket } from "../node/unix-server.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { type FedLayer4Options, type OpenLayer4Source, openFedLayer4 } from "./l4/fed-layer4.ts";
import type { NodeLayer4 } from "./l4/node-layer4.ts";

export interface Layer4RunOptions {
	readonly openSource: OpenLayer4Source;
	/** The API's socket; made with mode 0600. */
	readonly socketPath: string;
	readonly layer4: FedLayer4Options;
}

export interface RunningLayer4 {
	/** Rules stay unless told. */
	close(options?: { readonly keepRules: boolean }): Promise<void>;
}

/** It cannot begin; the message says why. */
export class Layer4CannotRun extends Error {
	/** What to do about it. */
	readonly next: string;

	constructor(message: string, next: string) {
		super(message);
		this.next = next;
	}
}

/** Resolves when everything has been read and is in force. */
export async function startLayer4(
	options: Layer4RunOptions,
	{ clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<RunningLayer4> {
	let balancing: NodeLayer4 | undefined;
	const api = createApi(() => balancing);
	await listenOnSocket(api, options.socketPath, { mode: 0o600 }).catch((error: Error) => {
		const holder = socketHolder(options.socketPath);
		throw new Layer4CannotRun(
			error.message,
			holder ? stopFirst(holder) : "keepmesh l4 run --state DIR: a directory of its own in each network namespace",
		);
	});
	const opened = await openFedLayer4(options.layer4, options.openSource, { clock, log });
	if (!opened.ok) {
		api.close();
		const holder = opened.heldBy === undefined ? undefined : socketHolder(opened.heldBy);
		throw new Layer4CannotRun(opened.because, holder ? stopFirst(holder) : "keepmesh check --for l4");
	}
	const layer4 = opened.value;
	balancing = layer4.balancing;
	await layer4.ready;
	return {
		close: async (closing = { keepRules: true }) => {
			layer4.close(closing);
			await new Promise<void>((resolve) => {
				api.close(() => resolve());
				api.closeAllConnections();
			});
		},
	};
}

const stopFirst = ({ pid, command }: SocketHolder): string => `stop that one first, process ${pid}: ${command}`;

/** Answers from the moment it listens: 503 while the rules are being opened. */
function createApi(balancing: () => NodeLayer4 | undefined): Server {
	return createServer(({ method, url }, response) => {
		const json = (code: number, body: object): void =>
			void response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
		const layer4 = balancing();
		if (!layer4) return json(503, { because: "layer 4 is starting", hint: "ask again" });
		if (method === "GET" && url === "/layer4") return json(200, layer4.status());
		if (method === "GET" && url === "/metrics")
			return void layer4.metrics().then((text) => response.writeHead(200, { "content-type": "text/plain" }).end(text));
		json(404, { because: "no such path", hint: "GET /layer4" });
	});
}
