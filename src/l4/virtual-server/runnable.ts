// Virtual servers as they are run: without blocks and checks that cannot be, which are named as problems elsewhere.

import type {
	RealServer,
	RealServerCheck,
	VirtualServer,
	VirtualServers,
} from "../../vip/keepalived-conf/virtual-servers.ts";
import { frontsOf } from "./fronts.ts";
import { regexOf } from "./regex-of.ts";
import { virtualServerId } from "./virtual-server-state.ts";

/** By id, in the order of the file. `mayRun`: what else a check needs, as a script that others cannot change. */
export function runnableServers(
	{ servers, groups, trackFiles }: VirtualServers,
	mayRun: (check: RealServerCheck) => boolean = () => true,
): ReadonlyMap<string, VirtualServer> {
	const isRunnable = (check: RealServerCheck): boolean => {
		if (check.type === "bfd") return false;
		if (check.type === "file") return trackFiles?.has(check.trackFile) === true;
		return check.type !== "http" || check.urls.every(({ regex }) => !regex || regexOf(regex).ok);
	};
	const withWeight = (check: RealServerCheck): RealServerCheck => {
		if (check.type !== "file" || check.weight !== undefined) return check;
		const { weight, reverse } = trackFiles?.get(check.trackFile) ?? {};
		return { ...check, ...(weight === undefined ? {} : { weight, reverse: reverse === true }) };
	};
	const runnable = new Map<string, VirtualServer>();
	for (const server of servers) {
		const id = virtualServerId(server);
		if (runnable.has(id) || !frontsOf(server, groups).ok) continue;
		const realServers = server.realServers.map(
			(real): RealServer => ({
				...real,
				checks: real.checks.filter((check) => isRunnable(check) && mayRun(check)).map(withWeight),
			}),
		);
		runnable.set(id, { ...server, realServers });
	}
	return runnable;
}
