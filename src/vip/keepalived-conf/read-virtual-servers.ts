// virtual_server, real_server and virtual_server_group blocks in, plain values with every default out.

import type { Forwarding } from "../../l4/balancer.ts";
import {
	type BlockContext,
	type DirectiveTable,
	error,
	flag,
	needsBody,
	nothing,
	once,
	readBlock,
	toggle,
	value,
} from "./block-reader.ts";
import { virtualServerOf } from "./complete-virtual-server.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import { readCommand } from "./conf-script.ts";
import { nameOf, type Statement } from "./conf-tree.ts";
import { familyOf, wholeValue } from "./conf-values.ts";
import { checksTable } from "./read-checks.ts";
import { readForwarding } from "./read-forwarding.ts";
import { targetOf } from "./read-server-targets.ts";
import type { RealDraft, ServerDraft } from "./server-draft.ts";
import { portValue, timingTable } from "./timing-directives.ts";
import { schedulers, type VirtualServer } from "./virtual-servers.ts";

const scheduler = value<ServerDraft>((draft, word, statement, context) => {
	const known = schedulers.find((name) => name === word);
	if (known) draft.scheduler = known;
	else
		error(
			context,
			statement,
			`there is no scheduler ${JSON.stringify(word)}; it is passed over`,
			`write ${schedulers.join(", ")}`,
		);
});

const forwarding = once<{ forwarding?: Forwarding }>((draft, statement, context) => {
	draft.forwarding = readForwarding(statement, context) ?? draft.forwarding;
});

const inhibit: DirectiveTable<{ inhibits?: boolean }>[string] = toggle((draft, on) => {
	draft.inhibits = on;
});

const schedulerFlag = (name: string): DirectiveTable<ServerDraft>[string] =>
	flag((draft) => {
		draft.schedulerFlags.push(name);
	});

const serverTable: DirectiveTable<ServerDraft> = {
	...timingTable,
	lvs_sched: scheduler,
	lb_algo: scheduler,
	...Object.fromEntries(
		["flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"].map((name) => [
			name,
			schedulerFlag(name),
		]),
	),
	hashed: schedulerFlag("flag-1"),
	ops: flag((draft) => {
		draft.onePacket = true;
	}),
	lvs_method: forwarding,
	lb_kind: forwarding,
	protocol: value((draft, word, statement, context) => {
		const known = (["TCP", "UDP", "SCTP"] as const).find((name) => name === word.toUpperCase());
		if (known) draft.protocol = known;
		else
			error(
				context,
				statement,
				`there is no protocol ${JSON.stringify(word)}; it is passed over`,
				"write TCP, UDP or SCTP",
			);
	}),
	persistence_timeout: once((draft, statement, context) => {
		const word = statement.words[1];
		const seconds =
			word === undefined
				? 360
				: wholeValue(word, { min: 1, max: 2 ** 31 - 1, otherwise: "it is passed over" }, statement, context);
		if (seconds !== undefined) draft.persistence = { ...draft.persistence, timeoutSec: seconds };
	}),
	persistence_engine: value((draft, word) => {
		draft.persistence = { timeoutSec: 360, ...draft.persistence, engine: word };
	}),
	persistence_granularity: value((draft, word) => {
		draft.persistence = { timeoutSec: 360, ...draft.persistence, granularity: word };
	}),
	ha_suspend: flag((draft) => {
		draft.suspends = true;
	}),
	smtp_alert: nothing,
	snmp_name: nothing,
	virtualhost: value((draft, word) => {
		draft.virtualHost = word;
	}),
	omega: flag((draft) => {
		draft.omega = true;
	}),
	quorum: value((draft, word, statement, context) => {
		draft.quorum = wholeValue(word, { min: 1, max: 2 ** 31 - 1, otherwise: "1 is taken" }, statement, context) ?? 1;
	}),
	hysteresis: value((draft, word, statement, context) => {
		draft.hysteresis = wholeValue(word, { min: 0, max: 2 ** 31 - 1, otherwise: "0 is taken" }, statement, context) ?? 0;
	}),
	quorum_up: once((draft, statement, context) => {
		draft.quorumUp = readCommand(statement, context);
	}),
	quorum_down: once((draft, statement, context) => {
		draft.quorumDown = readCommand(statement, context);
	}),
	ip_family: value((draft, word, statement, context) => {
		if (word === "inet" || word === "inet6") draft.family = word === "inet" ? "ipv4" : "ipv6";
		else error(context, statement, `there is no family ${JSON.stringify(word)}`, "write inet or inet6");
	}),
	sorry_server: once((draft, statement, context) => {
		const [, address = "", port] = statement.words;
		if (familyOf(address) === undefined)
			return error(
				context,
				statement,
				`${JSON.stringify(address)} is no address; there is no sorry server`,
				"write sorry_server ADDRESS PORT",
			);
		draft.sorry = { inhibits: false, address, ...withoutUndefined({ port: portValue(port, statement, context) }) };
	}),
	sorry_server_inhibit: (draft, statement, context) => {
		if (draft.sorry) draft.sorry.inhibits = true;
		else error(context, statement, "it stands before sorry_server, and is passed over", "write sorry_server first");
	},
	sorry_server_lvs_method: (draft, statement, context) => {
		if (draft.sorry) draft.sorry.forwarding = readForwarding(statement, context);
		else error(context, statement, "it stands before sorry_server, and is passed over", "write sorry_server first");
	},
	inhibit_on_failure: inhibit,
	real_server: (draft, statement, context) => {
		const [, address = "", port] = statement.words;
		if (familyOf(address) === undefined)
			return error(
				context,
				statement,
				`${JSON.stringify(address)} is no address: keepalived leaves the server out`,
				"write real_server ADDRESS PORT { ... }",
			);
		if (!needsBody(statement, context)) return;
		const real: RealDraft = {
			address,
			...withoutUndefined({ port: portValue(port, statement, context) }),
			statement,
			weight: 1,
			checks: [],
			timing: {},
			outer: draft.timing,
		};
		readBlock(statement.body ?? [], realTable, real, { ...context, block: nameOf(statement) });
		draft.real.push(real);
	},
};

const threshold = (field: "upper" | "lower"): DirectiveTable<RealDraft>[string] =>
	value((draft, word, statement, context) => {
		draft[field] = wholeValue(word, { min: 0, max: 2 ** 31 - 1, otherwise: "it is passed over" }, statement, context);
	});

const realTable: DirectiveTable<RealDraft> = {
	...timingTable,
	...checksTable,
	weight: value((draft, word, statement, context) => {
		draft.weight = wholeValue(word, { min: 0, max: 65535, otherwise: "1 is taken" }, statement, context) ?? 1;
	}),
	lvs_method: forwarding,
	lb_kind: forwarding,
	uthreshold: threshold("upper"),
	lthreshold: threshold("lower"),
	inhibit_on_failure: inhibit,
	notify_up: once((draft, statement, context) => {
		draft.notifyUp = readCommand(statement, context);
	}),
	notify_down: once((draft, statement, context) => {
		draft.notifyDown = readCommand(statement, context);
	}),
	virtualhost: value((draft, word) => {
		draft.virtualHost = word;
	}),
	smtp_alert: nothing,
	snmp_name: nothing,
};

export function readVirtualServer(servers: VirtualServer[], statement: Statement, context: BlockContext): void {
	const target = targetOf(statement, context);
	if (!target || !needsBody(statement, context)) return;
	const draft: ServerDraft = {
		timing: {},
		schedulerFlags: [],
		onePacket: false,
		suspends: false,
		omega: false,
		inhibits: false,
		quorum: 1,
		hysteresis: 0,
		real: [],
	};
	const inside = { ...context, block: nameOf(statement) };
	// Checks inherit from directives that may stand below them.
	const { real, rest } = split(statement.body ?? []);
	readBlock([...rest, ...real], serverTable, draft, inside);
	if (draft.real.length === 0) {
		error(
			inside,
			statement,
			"there is no real server: keepalived leaves the virtual server out",
			"write real_server ADDRESS PORT { ... }",
		);
		return;
	}
	servers.push(virtualServerOf(draft, target, statement, inside));
}

function split(body: readonly Statement[]): {
	readonly real: readonly Statement[];
	readonly rest: readonly Statement[];
} {
	const isReal = (statement: Statement): boolean => statement.words[0] === "real_server";
	return { real: body.filter(isReal), rest: body.filter((statement) => !isReal(statement)) };
}
