// The process of the virtual IPs put together: configuration, the machine's network, the virtual routers, probes, notifications,
// the local API. In: options of the command line. Out: a running process that hands over what it owns when it is closed.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import type { Server } from "node:net";
import { join, resolve } from "node:path";
import { EventLoop } from "../kernel/linux/event-loop.ts";
import { openLinuxHostNetwork } from "../kernel/linux/linux-host-network.ts";
import { makeThreadRealTime } from "../kernel/linux/real-time-thread.ts";
import { releaseCodePages } from "../kernel/linux/release-code-pages.ts";
import { listenOnSocket } from "../node/unix-server.ts";
import { type Cancel, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Hashes } from "../vip/vrrp/advert-codec.ts";
import type { ListenAddress } from "./listen-address.ts";
import { ConfigReloader } from "./vip/config-reloader.ts";
import { followConfig } from "./vip/follow-config.ts";
import type { Layer4Child, Layer4Choice } from "./vip/layer4-child.ts";
import { LeaseAdvisers } from "./vip/lease-advisers.ts";
import { leaseSocketName } from "./vip/lease-socket-name.ts";
import { withLease } from "./vip/lease-status.ts";
import { LeaseStores } from "./vip/lease-stores.ts";
import { type LoadedConfig, loadVipConfig, type VipSource } from "./vip/load-vip-config.ts";
import {
	type Notification,
	notificationOfLowerPriority,
	notificationOfMove,
	notificationOfPriority,
} from "./vip/notification.ts";
import { Notifier } from "./vip/notifier.ts";
import { OwnersFile } from "./vip/owners-file.ts";
import type { Answer } from "./vip/planned-moves.ts";
import { RefusedPackets } from "./vip/refused-packets.ts";
import { RunningTrackers } from "./vip/running-trackers.ts";
import { StartWatch } from "./vip/start-watch.ts";
import { createVipApiServer } from "./vip/vip-api.ts";
import { renderVipMetrics } from "./vip/vip-metrics.ts";
import { VipRuntime } from "./vip/vip-runtime.ts";
import { vipSocketName } from "./vip/vip-socket-name.ts";
import { vipStatus } from "./vip/vip-status.ts";
import { startWatchdog, type Watchdog } from "./vip/watchdog.ts";

export interface VipOptions {
	readonly node: string;
	/** For the API's socket and what must outlive a crash. */
	readonly state: string;
	readonly source: VipSource;
	readonly loaded: Extract<LoadedConfig, { readonly ok: true }>;
	/** Where metrics and status are served over TCP as well; default nowhere. */
	readonly metricsListen?: ListenAddress;
	/** Ahead of ordinary threads; needs CAP_SYS_NICE. Default true. */
	readonly realTime?: boolean;
	/** Default true. */
	readonly watchdog?: boolean;
	/** What balances virtual_server blocks, in a process of its own. Default: nothing does. */
	readonly layer4?: Layer4Choice;
	/** Arguments of the process that follows a cluster and prepares the source. Default: there is none. */
	readonly feed?: readonly string[];
}

export interface RunningVip {
	readonly runtime: VipRuntime;
	reload(): Promise<Answer>;
	/** Hands over, then removes everything. */
	close(): Promise<void>;
}

const trimAfterMs = 1000;
const leaseReturnMs = 300;
const load = createRequire(import.meta.url);
/** Loaded by the first use: without authentication the process is 3 MB smaller. */
const crypto = (): typeof import("node:crypto") => load("node:crypto");
const hashes: Hashes = {
	hmacMd5: (key, message) => crypto().createHmac("md5", key).update(message).digest(),
	hmacSha256: (key, message) => crypto().createHmac("sha256", key).update(message).digest(),
};

export async function startVip(options: VipOptions, { log }: { readonly log: Log }): Promise<RunningVip> {
	const { node, state, source } = options;
	mkdirSync(state, { recursive: true, mode: 0o700 });
	if (options.realTime !== false) {
		const { hint } = makeThreadRealTime();
		if (hint) log.warn({}, hint);
	}
	const loop = new EventLoop((error) => log.error({ because: String(error) }, "a callback failed"));
	const network = openLinuxHostNetwork({ loop, stateFile: join(state, "addresses") });
	const notifier = new Notifier(options.loaded.config.global, log);
	const notify = (notification: Notification | undefined): void => {
		if (notification) notifier.tell(notification);
	};
	let watchdog: Watchdog | undefined;
	const stores = new LeaseStores(Date.now, options.feed && join(state, leaseSocketName));
	const leases = new LeaseAdvisers({
		loop,
		node,
		storeFor: (lease) => stores.storeFor(lease),
		noted: (instance, because) => log.warn({ instance }, because),
	});
	const followers = new Set<{ readonly name: string; readonly onRole: (role: string) => void }>();
	const allFollowers = new Set<(name: string, role: string) => void>();
	const runtime = new VipRuntime(options.loaded.config, {
		network,
		loop,
		wallMs: Date.now,
		hashes,
		log,
		node,
		leases,
		owners: new OwnersFile(join(state, "owners.json"), log),
		onMove: (move) => {
			watchdog?.holdSoon();
			if (move.kind === "INSTANCE") {
				for (const { name, onRole } of followers) if (name === move.config.name) onRole(move.transition.to);
				for (const onRole of allFollowers) onRole(move.config.name, move.transition.to);
			}
			notify(notificationOfMove(move));
		},
		onPriority: (config, priority, role) => notify(notificationOfPriority(config, priority, role)),
		onLowerPriorityHeard: (config, priority) => notify(notificationOfLowerPriority(config, priority)),
	});
	const trackers = new RunningTrackers({
		clock: realClock,
		log,
		network,
		onResult: (tracker, result) => runtime.trackerResult(tracker, result),
	});
	// Before an address can be there.
	watchdog = options.watchdog === false ? undefined : await startWatchdog(state, () => runtime.addedAddresses);
	const refused = new RefusedPackets(network, log, network.ownedAddresses().length > 0);
	await refused.set(options.loaded.config.instances);
	await notifier.open();
	runtime.start();
	await trackers.configure(options.loaded.config);
	let latest: LoadedConfig = options.loaded;
	let layer4: Layer4Child | undefined;
	const start = new StartWatch();
	const followLayer4 = async (): Promise<void> => {
		const count = latest.ok ? (latest.virtualServers ?? 0) : 0;
		const file = source.type === "keepalivedConf" ? source.file : source.type === "prepared" ? source.conf : undefined;
		if (file === undefined || options.layer4 === undefined || (count === 0 && !layer4)) return;
		if (!layer4) {
			const { Layer4Child: Child } = await import("./vip/layer4-child.ts");
			layer4 = new Child({ file: resolve(file), backend: options.layer4, state }, log);
		}
		await layer4.follow(count);
	};
	await followLayer4();
	const reloader = new ConfigReloader(options.loaded, {
		load: async () => {
			latest = await loadVipConfig(source, node);
			return latest;
		},
		apply: async (config) => {
			await notifier.reconfigure(config.global);
			await refused.set(config.instances);
			runtime.reconfigure(config);
			watchdog?.holdSoon();
			await trackers.configure(config);
		},
		log,
		takesErrors: source.type === "prepared",
	});
	let cancelTrim: Cancel = () => undefined;
	/** What the start, a reload or an answer needed is given back a moment later. */
	const trimSoon = (): void => {
		cancelTrim();
		cancelTrim = realClock.after(trimAfterMs, releaseCodePages);
	};
	trimSoon();
	const reload = (): Promise<Answer> =>
		reloader
			.reload()
			.then(async (answer) => {
				if (answer.ok) await followLayer4();
				return answer;
			})
			.finally(trimSoon);
	const api = {
		status: () => vipStatus(runtime, node, loop.nowUs(), reloader),
		ready: () => start.ready(latest.ok && latest.isMissing === true, runtime.routers.values()),
		metrics: () => renderVipMetrics(vipStatus(runtime, node, loop.nowUs(), reloader)),
		explain: (name: string | undefined) => {
			const all = runtime.health
				.explain({ self: node })
				.map((one) => withLease(one, runtime.routers.get(one.instance)?.lease));
			const chosen = all.filter(({ instance }) => name === undefined || instance === name);
			return name !== undefined && chosen.length === 0 ? undefined : chosen;
		},
		move: (name: string, to: string | undefined) => new Promise<Answer>((resolve) => runtime.move(name, to, resolve)),
		reload,
		follow: (name: string, onRole: (role: string) => void) => {
			const router = runtime.routers.get(name);
			if (!router) return undefined;
			const follower = { name, onRole };
			followers.add(follower);
			onRole(router.state.role);
			return () => followers.delete(follower);
		},
		followAll: (onRole: (name: string, role: string) => void) => {
			allFollowers.add(onRole);
			for (const { config, state: of } of runtime.routers.values()) onRole(config.name, of.role);
			return () => allFollowers.delete(onRole);
		},
	};
	const servers: Server[] = [createVipApiServer(api, { onAnswered: trimSoon })];
	await listenOnSocket(servers[0] as Server, join(state, vipSocketName), { mode: 0o600 });
	if (options.metricsListen) {
		const { host, port } = options.metricsListen;
		const server = createVipApiServer(api, { readOnly: true, onAnswered: trimSoon });
		server.on("error", (error) => log.error({ because: error.message }, "metrics are not served over TCP"));
		server.listen(port, host);
		servers.push(server);
	}
	const follower = followConfig(source, realClock, () => void reload());
	const feed = options.feed && new (await import("./vip/feed-child.ts")).FeedChild(options.feed, log);
	feed?.start();
	return {
		runtime,
		reload,
		close: async () => {
			cancelTrim();
			follower.close();
			trackers.close();
			for (const server of servers) server.close();
			await new Promise<void>((done) => runtime.stop(done));
			// Connections are balanced until the addresses are elsewhere.
			await layer4?.stop();
			await refused.set([]);
			// The addresses are gone by now; a lease that cannot be given back runs out.
			await new Promise<void>((resolve) => {
				const cancel = realClock.after(leaseReturnMs, resolve);
				leases.whenIdle(() => {
					cancel();
					resolve();
				});
			});
			await feed?.stop();
			network.close();
			loop.close();
			await notifier.close();
			watchdog?.dismiss();
		},
	};
}
