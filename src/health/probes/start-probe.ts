// A tracker's check becomes a running probe. Kinds that need much code are loaded when the first of them is wanted.

import type { TrackerCheck } from "../../vip/vip-config.ts";
import { startFileProbe } from "./file-probe.ts";
import { startInterfaceProbe, startRouteProbe } from "./network-probes.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { startProcessProbe } from "./process-probe.ts";
import { startScriptProbe } from "./script-probe.ts";
import { startTcpProbe } from "./tcp-probe.ts";

/** Files, processes, links and routes have said what they are when this returns; others within some 20 ms and their answer. */
export function startProbe(check: TrackerCheck, context: ProbeContext): Probe {
	switch (check.type) {
		case "script":
			return startScriptProbe(check, context);
		case "file":
			return startFileProbe(check, context);
		case "process":
			return startProcessProbe(check, context);
		case "interface":
			return startInterfaceProbe(check, context);
		case "route":
			return startRouteProbe(check, context);
		case "tcp":
			return startTcpProbe(check, context);
		case "http":
			return startLater(async () => (await import("./http-probe.ts")).startHttpProbe(check, context));
		case "grpc":
			return startLater(async () => (await import("./grpc-probe.ts")).startGrpcProbe(check, context));
		case "bfd":
			return { refused: "BFD is not supported", recheck: () => undefined, close: () => undefined };
		default:
			return check satisfies never;
	}
}

function startLater(load: () => Promise<Probe>): Probe {
	let probe: Probe | undefined;
	let closed = false;
	void load().then((loaded) => {
		if (closed) loaded.close();
		else probe = loaded;
	});
	return {
		recheck: () => probe?.recheck(),
		close: () => {
			closed = true;
			probe?.close();
		},
	};
}
