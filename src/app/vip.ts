// The process of the virtual IPs put together: configuration, the machine's network, the virtual routers, health, notifications,
// the local API. In: options of the command line. Out: a running process that hands over what it owns when it is closed.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { HostNetwork } from "../kernel/host-network.ts";
import { EventLoop } from "../kernel/linux/event-loop.ts";
import { openLinuxHostNetwork } from "../kernel/linux/linux-host-network.ts";
import type { RealTimeLoop } from "../kernel/real-time-loop.ts";
import type { Log } from "../runtime/log.ts";
import type { VipConfig } from "../vip/vip-config.ts";
import type { Hashes } from "../vip/vrrp/advert-codec.ts";
import { VipRuntime } from "./vip/vip-runtime.ts";

export interface VipOptions {
	readonly node: string;
	/** For the API's socket and what must outlive a crash. */
	readonly state: string;
	readonly config: VipConfig;
	/** `/run/netns/NAME`. Default: where the process is. */
	readonly netns?: string;
}

export interface RunningVip {
	readonly runtime: VipRuntime;
	/** Hands over, then removes everything. */
	close(): Promise<void>;
}

const load = createRequire(import.meta.url);
/** Loaded by the first use: without authentication the process is 3 MB smaller. */
const crypto = (): typeof import("node:crypto") => load("node:crypto");
const hashes: Hashes = {
	hmacMd5: (key, message) => crypto().createHmac("md5", key).update(message).digest(),
	hmacSha256: (key, message) => crypto().createHmac("sha256", key).update(message).digest(),
};

export function startVip(options: VipOptions, { log }: { readonly log: Log }): RunningVip {
	mkdirSync(options.state, { recursive: true, mode: 0o700 });
	const loop = new EventLoop((error) => {
		throw error;
	});
	const network: HostNetwork = openLinuxHostNetwork({
		loop: loop satisfies RealTimeLoop,
		stateFile: join(options.state, "addresses"),
		...(options.netns === undefined ? {} : { netns: options.netns }),
	});
	const runtime = new VipRuntime(options.config, {
		network,
		loop,
		wallMs: Date.now,
		hashes,
		log,
		node: options.node,
		onMove: () => {},
	});
	runtime.start();
	return {
		runtime,
		close: () =>
			new Promise((resolve) => {
				runtime.stop(() => {
					network.close();
					loop.close();
					resolve();
				});
			}),
	};
}
