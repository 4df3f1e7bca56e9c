// `keepmesh proxy`: what runs in the proxy's container of a pod on Kubernetes (docs/kubernetes/injection.md). It loads next to
// nothing: a pod's application waits for it.

import { request } from "node:http";
import { askNode } from "../proxy/ask-node.ts";
import { awaitReady } from "../proxy/await-ready.ts";
import { becomeEnvoy, parseHandedOut } from "../proxy/become-envoy.ts";
import { clearHold, isHoldLost, markHold } from "../proxy/hold-mark.ts";

const environment = process.env;
const socket = environment.KEEPMESH_NODE_SOCKET || "@keepmesh-node";
const directory = environment.KEEPMESH_PROXY_DIRECTORY || "/etc/istio/proxy";
const usage = 64;
/** Callers that have connections hear from their control plane that the pod goes, and close them; with none left nobody is waited for. */
const heardMs = 1000;

/** Resolves to the exit code; `sidecar` and `router` become Envoy instead. */
export async function runProxy([what = "", direction = "both"]: readonly string[]): Promise<number> {
	// As the first process of its container it would not be ended by it otherwise.
	for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
	try {
		switch (what) {
			case "sidecar":
			case "router":
				return await start();
			case "wait-redirect":
				await askNode({ socket, path: "/v1/redirect", say });
				return 0;
			case "wait":
				return await waitReady();
			case "drain":
				return await drain(direction === "inbound" ? direction : "both");
			default:
				say(
					`there is no proxy ${what || "(nothing)"}: keepmesh proxy sidecar|router|wait|wait-redirect|drain [inbound]`,
				);
				return usage;
		}
	} catch (error) {
		say(error instanceof Error ? error.message : String(error));
		return 1;
	}
}

async function start(): Promise<number> {
	// Of a container before this one.
	if (isHoldLost(directory)) clearHold(directory);
	const isWanted = (): boolean => !isHoldLost(directory);
	const handedOut = parseHandedOut(await askNode({ socket, path: "/v1/bootstrap", say, isWanted }));
	becomeEnvoy(handedOut, { directory, envoy: environment.KEEPMESH_ENVOY || "envoy", environment });
}

/** The hook that the application's containers wait for. */
async function waitReady(): Promise<number> {
	markHold(directory);
	const mayStart = await awaitReady({ socket, say, isReady });
	clearHold(directory);
	return mayStart ? 0 : 1;
}

function isReady(): Promise<boolean> {
	return new Promise((resolve) => {
		const target = { host: "127.0.0.1", port: 15_021, path: "/healthz/ready", agent: false, timeout: 1000 };
		const asked = request(target, (response) => {
			response.resume();
			resolve(response.statusCode === 200);
		});
		asked.on("timeout", () => asked.destroy());
		asked.on("error", () => resolve(false));
		asked.end();
	});
}

/** ProxyConfig's durations: a plain proxy stays for `terminationDrainDuration` at least; a native sidecar, which outlives the application, at most. */
async function drain(direction: "inbound" | "both"): Promise<number> {
	const [{ drainEnvoy }, { parseDurationMs }] = await Promise.all([
		import("../proxy/drain-envoy.ts"),
		import("../resources/text/duration.ts"),
	]);
	const { drainDuration, terminationDrainDuration } = JSON.parse(environment.PROXY_CONFIG || "{}") as {
		readonly drainDuration?: unknown;
		readonly terminationDrainDuration?: unknown;
	};
	const durationMs = (value: unknown, fallback: number): number =>
		(typeof value === "string" ? parseDurationMs(value) : undefined) ?? fallback;
	const terminationMs = durationMs(terminationDrainDuration, 5000);
	const limits =
		direction === "inbound"
			? { leastMs: Math.min(heardMs, terminationMs), mostMs: terminationMs }
			: { leastMs: terminationMs, mostMs: Math.max(terminationMs, durationMs(drainDuration, 45_000)) };
	const left = await drainEnvoy({ admin: { host: "127.0.0.1", port: 15_000 }, direction, ...limits });
	if (left > 0) say(`ends with ${left} connections`);
	return 0;
}

function say(line: string): void {
	process.stderr.write(`keepmesh proxy: ${line}\n`);
}
