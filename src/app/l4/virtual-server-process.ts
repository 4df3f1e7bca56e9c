// The process of virtual servers put together: the file, the kernel, checks, scripts, the local API. In: options of the command line.
// Out: a running process that removes its rules when it is closed, unless told to keep them.

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { createServer, type Server } from "node:http";
import { basename, dirname, join, resolve } from "node:path";
import { EventLoop } from "../../kernel/linux/event-loop.ts";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { listenOnSocket } from "../../node/unix-server.ts";
import type { Problem } from "../../resources/problem.ts";
import { type Cancel, realClock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { VipGlobal } from "../../vip/vip-config.ts";
import type { ListenAddress } from "../listen-address.ts";
import { Notifier } from "../vip/notifier.ts";
import { type LoadedVirtualServers, loadVirtualServers, type VirtualServersConf } from "./load-virtual-servers.ts";
import { renderVirtualServerMetrics } from "./virtual-server-metrics.ts";
import { openVirtualServerRules } from "./virtual-server-rules.ts";
import { type RunningVirtualServers, startVirtualServers } from "./virtual-server-runtime.ts";
import { virtualServerSocketName } from "./virtual-server-socket.ts";

export interface VirtualServerProcessOptions {
	readonly file: string;
	readonly backend: "nftables" | "ipvs" | "auto";
	/** For the API's socket. */
	readonly state: string;
	readonly metricsListen?: ListenAddress;
	/** Another process reads the file as well: it says when to read it again, and starts the readers of FIFOs. */
	readonly isChild?: boolean;
}

export interface VirtualServerProcess {
	readonly servers: RunningVirtualServers;
	reload(): Reloaded;
	close(options?: { readonly keepRules?: boolean }): Promise<void>;
}

export type Reloaded =
	| { readonly ok: true; readonly message: string }
	| { readonly ok: false; readonly because: string };

/** A file that is written in pieces is read once. */
const settleMs = 100;

export async function startVirtualServerProcess(
	options: VirtualServerProcessOptions,
	{ log }: { readonly log: Log },
): Promise<VirtualServerProcess | { readonly because: string }> {
	const opened = await openVirtualServerRules({
		backend: options.backend,
		state: options.state,
		clock: realClock,
		log,
	});
	if (!opened.ok) return opened;
	const { backend, rules } = opened;
	let loaded = loadVirtualServers(options.file, backend);
	logProblems(loaded, log);
	if (!loaded.ok) return { because: "the file cannot be read" };
	mkdirSync(options.state, { recursive: true, mode: 0o700 });
	const loop = new EventLoop((error) => log.error({ because: String(error) }, "a callback failed"));
	const network = openLinuxHostNetwork({ loop });
	const globalOf = ({ global }: VirtualServersConf): VipGlobal =>
		options.isChild ? { ...global, fifoScripts: [] } : global;
	const notifier = new Notifier(globalOf(loaded.conf), log);
	await notifier.open();
	let changes = 0;
	const servers = startVirtualServers(loaded.conf, {
		apply: (changed) => {
			for (const [owner, balancers] of changed) rules.set(owner, balancers);
			changes += changed.size;
			rules.apply();
		},
		backend,
		clock: realClock,
		log,
		notify: (notification) => notifier.tell(notification),
		ownAddresses: () => new Set(network.addresses().map(({ address }) => address)),
	});
	let problem: string | undefined;
	const reload = (): Reloaded => {
		const next = loadVirtualServers(options.file, backend);
		const known = new Set(errorsOf(loaded));
		const fresh = errorsOf(next).filter((error) => !known.has(error));
		if (!next.ok || fresh.length > 0) {
			problem = fresh.join("; ");
			log.error({ because: problem }, "the changed file is refused; the one before stays in force");
			return { ok: false, because: problem };
		}
		problem = undefined;
		loaded = next;
		logProblems(next, log);
		void notifier.reconfigure(globalOf(next.conf));
		servers.reload(next.conf);
		log.info({ virtualServers: servers.status().length }, "virtual servers read again");
		return { ok: true, message: `${servers.status().length} virtual servers` };
	};
	const stopWatching = network.watch((event) => {
		if (event.type === "addressAdded" || event.type === "addressRemoved" || event.type === "eventsLost")
			servers.addressesChanged();
	});
	const follower = options.isChild ? undefined : followFile(options.file, () => reload());
	const status = (): object => ({
		backend,
		inForce: rules.isInForce,
		...(problem === undefined ? {} : { refusedFile: problem }),
		problems: [...rules.problems(), ...errorsOf(loaded).map((because) => ({ about: options.file, because }))],
		virtualServers: servers.status(),
	});
	const metrics = (): string => renderVirtualServerMetrics(servers.status(), { changes, isInForce: rules.isInForce });
	const apis: Server[] = [apiServer({ status, metrics, reload })];
	await listenOnSocket(apis[0] as Server, join(options.state, virtualServerSocketName), { mode: 0o600 });
	if (options.metricsListen) {
		const server = apiServer({ status, metrics });
		server.on("error", (error) => log.error({ because: error.message }, "metrics are not served over TCP"));
		server.listen(options.metricsListen.port, options.metricsListen.host);
		apis.push(server);
	}
	return {
		servers,
		reload,
		close: async ({ keepRules = false } = {}) => {
			follower?.();
			stopWatching();
			for (const api of apis) {
				api.close();
				api.closeAllConnections();
			}
			servers.close({ keepRules });
			rules.close({ keepRules });
			network.close();
			loop.close();
			await notifier.close();
		},
	};
}

interface Api {
	status(): object;
	metrics(): string;
	reload?(): Reloaded;
}

/** GET /status, GET /metrics, POST /reload. */
function apiServer(api: Api): Server {
	return createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
		request.resume();
		const json = (value: object, code = 200): void => {
			response.writeHead(code, { "content-type": "application/json" }).end(`${JSON.stringify(value)}\n`);
		};
		const { pathname } = new URL(request.url ?? "/", "http://l4");
		switch (`${request.method} ${pathname}`) {
			case "GET /status":
				return json(api.status());
			case "GET /metrics":
				return void response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(api.metrics());
			case "POST /reload": {
				const reloaded = api.reload?.();
				if (!reloaded) break;
				return json(reloaded, reloaded.ok ? 200 : 409);
			}
		}
		response.writeHead(404).end("not here\n");
	});
}

/** Without its line: one more above does not make an old error new. */
function errorsOf({ problems }: LoadedVirtualServers): readonly string[] {
	return problems
		.filter(({ severity }) => severity === "error")
		.map(({ resource, path, message }) => [resource, path, message].filter((part) => part !== "").join(": "));
}

function logProblems({ problems }: LoadedVirtualServers, log: Log): void {
	for (const { origin, resource, message, hint, severity } of problems satisfies readonly Problem[])
		log[severity === "error" ? "error" : "warn"](
			{ file: origin.file, line: origin.line, resource, because: message, hint },
			"a problem in the configuration",
		);
}

/** The directory is watched: editors put a new file in the old one's place. */
function followFile(file: string, onChange: () => void): Cancel {
	const path = resolve(file);
	let cancel: Cancel = () => undefined;
	let watcher: FSWatcher | undefined;
	try {
		watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
			if (name !== null && name !== basename(path)) return;
			cancel();
			cancel = realClock.after(settleMs, onChange);
		});
		watcher.on("error", () => undefined);
	} catch {
		// What cannot be watched is read on SIGHUP.
	}
	return () => {
		cancel();
		watcher?.close();
	};
}
