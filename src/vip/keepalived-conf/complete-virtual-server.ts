// A virtual server's draft in, its plain value out: defaults, and what does not go together taken back as keepalived does.

import type { Forwarding } from "../../l4/balancer.ts";
import { type BlockContext, warn } from "./block-reader.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import type { Statement } from "./conf-tree.ts";
import type { RealDraft, ServerDraft } from "./server-draft.ts";
import type { RealServer, VirtualServer, VirtualServerTarget } from "./virtual-servers.ts";

export function virtualServerOf(
	draft: ServerDraft,
	target: VirtualServerTarget,
	statement: Statement,
	context: BlockContext,
): VirtualServer {
	if (target.type === "mark" && draft.protocol)
		warn(context, statement, "a mark has no protocol: it is passed over", "take protocol out");
	if (target.type !== "mark" && draft.protocol === undefined)
		warn(context, statement, "no protocol is said: UDP is taken", "write protocol TCP");
	if (draft.scheduler === undefined)
		warn(context, statement, "no scheduler is said: wlc is taken", "write lvs_sched wlc");
	if (draft.forwarding === undefined)
		warn(context, statement, "no forwarding is said: NAT is taken", "write lvs_method NAT");
	const total = draft.real.reduce((sum, { weight }) => sum + weight, 0);
	const quorum = Math.min(draft.quorum, total);
	if (quorum < draft.quorum)
		warn(
			context,
			statement,
			`quorum ${draft.quorum} is more than all real servers have: ${quorum} is taken`,
			"lower it",
		);
	const hysteresis = Math.min(draft.hysteresis, Math.max(0, quorum - 1));
	if (hysteresis < draft.hysteresis)
		warn(
			context,
			statement,
			`hysteresis ${draft.hysteresis} is not below the quorum: ${hysteresis} is taken`,
			"lower it",
		);
	if (target.type === "address" && target.port === undefined && !draft.persistence) {
		warn(
			context,
			statement,
			"without a port every port is balanced, which needs persistence: 360 s is taken",
			"write a port",
		);
		draft.persistence = { timeoutSec: 360 };
	}
	const forwarding = draft.forwarding ?? { method: "NAT" };
	const { persistence, virtualHost, family, quorumUp, quorumDown, sorry } = draft;
	return {
		target,
		scheduler: draft.scheduler ?? "wlc",
		schedulerFlags: draft.schedulerFlags,
		onePacket: draft.onePacket,
		forwarding,
		protocol: draft.protocol ?? (target.type === "mark" ? "TCP" : "UDP"),
		...withoutUndefined({ persistence, virtualHost, family, quorumUp, quorumDown }),
		suspendsWithoutAddress: draft.suspends,
		alpha: draft.timing.alpha ?? false,
		omega: draft.omega,
		quorum,
		hysteresis,
		...(sorry ? { sorryServer: { ...sorry, forwarding: sorry.forwarding ?? forwarding } } : {}),
		realServers: draft.real.map((real) =>
			withPortOf(target, realServerOf(real, draft, forwarding), real.statement, context),
		),
		line: statement.place.line,
	};
}

/** Only NAT can change a port. */
function withPortOf(
	target: VirtualServerTarget,
	server: RealServer,
	statement: Statement,
	context: BlockContext,
): RealServer {
	const port = target.type === "address" ? target.port : undefined;
	if (server.forwarding.method === "NAT" || port === undefined || server.port === undefined || server.port === port)
		return server;
	warn(
		context,
		statement,
		`${server.forwarding.method} cannot change the port ${port} into ${server.port}: ${port} is taken`,
		"write lvs_method NAT, or the same port",
	);
	return { ...server, port };
}

function realServerOf(real: RealDraft, server: ServerDraft, fallback: Forwarding): RealServer {
	const { address, port, weight, upper, lower, virtualHost, notifyUp, notifyDown, checks, statement } = real;
	return {
		address,
		...withoutUndefined({
			port,
			upperThreshold: upper,
			lowerThreshold: lower,
			virtualHost: virtualHost ?? server.virtualHost,
			notifyUp,
			notifyDown,
		}),
		weight,
		forwarding: real.forwarding ?? fallback,
		inhibitsOnFailure: real.inhibits ?? server.inhibits,
		alpha: real.timing.alpha ?? server.timing.alpha ?? false,
		checks,
		line: statement.place.line,
	};
}
