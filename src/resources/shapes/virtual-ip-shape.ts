// Fields of VirtualIP, keepmesh.io/v1alpha1.

import {
	choice,
	duration,
	durationOrZero,
	flag,
	labels,
	list,
	port,
	type Shape,
	smallCount,
	someTexts,
	struct,
	text,
	texts,
	whole,
} from "./shape.ts";

const priority = whole(1, 255, "a priority from 1 to 255");
const times = whole(1, 2147483647, "a whole number from 1");
const state = choice("MASTER", "BACKUP");
const weight = whole(-254, 254, "a weight from -253 to 253");
const byte = whole(0, 255, "a whole number from 0 to 255");
const command: Shape = someTexts;
const portOnly = struct({ port });

export const virtualIpCheck = struct(
	{
		name: text,
		script: struct({ command, user: text, group: text }, "command"),
		file: struct({ path: text, initial: whole(-2147483648, 2147483647, "a whole number"), overwrites: flag }, "path"),
		process: struct(
			{
				name: text,
				arguments: texts,
				argumentMatch: choice("exact", "partial", "initial"),
				fullCommand: flag,
				quorum: smallCount,
				quorumMax: smallCount,
				delay: durationOrZero,
				terminateDelay: durationOrZero,
			},
			"name",
		),
		interface: text,
		route: text,
		tcp: struct({ host: text, port }, "port"),
		http: struct({ url: text, insecure: flag }, "url"),
		grpc: struct({ host: text, port, service: text }, "port"),
		envoyReady: portOnly,
		controlReady: portOnly,
		apiServer: portOnly,
		interval: duration,
		timeout: duration,
		rise: times,
		fall: times,
		class: choice("dead", "degraded"),
		weight,
		reverse: flag,
		startsFailed: flag,
		firstResultDecides: flag,
	},
	"name",
);

export const virtualIpAuthentication = struct(
	{ type: choice("pass", "ah", "hmac"), secretName: text, keyFile: text },
	"type",
);

export const virtualIpLease = struct(
	{
		name: text,
		namespace: text,
		directory: text,
		duration,
		maxDelay: durationOrZero,
		role: choice("advises", "decides"),
		whenUnreachable: choice("keep", "release"),
	},
	"name",
);

const node = struct({ node: text, priority, sourceAddress: text, interface: text, initialState: state }, "node");

const garp = struct({
	repeat: times,
	delay: durationOrZero,
	refresh: durationOrZero,
	refreshRepeat: times,
	spacing: durationOrZero,
	lowerPriorityRepeat: smallCount,
	lowerPriorityDelay: durationOrZero,
});

const notify = struct({
	master: command,
	backup: command,
	fault: command,
	stop: command,
	deleted: command,
	any: command,
	lowerPriorityHeard: command,
});

export const virtualIpShape = struct(
	{
		addresses: list(text, 1, 255),
		excludedAddresses: texts,
		interface: text,
		virtualRouterId: whole(1, 255, "a number from 1 to 255"),
		version: whole(2, 3, "2 or 3"),
		advertInterval: duration,
		priority,
		nodes: list(node),
		nodeSelector: labels,
		transport: struct({
			type: choice("multicast", "unicast"),
			group: text,
			peers: texts,
			ttl: byte,
			checkSource: flag,
		}),
		authentication: virtualIpAuthentication,
		preempt: flag,
		preemptDelay: durationOrZero,
		openConnections: choice("follow", "end"),
		initialState: state,
		checks: list(virtualIpCheck),
		whenAllFail: choice("hold", "release"),
		holdDown: durationOrZero,
		maxHoldDown: durationOrZero,
		fastHeartbeat: choice("default", "fast", "off"),
		virtualMac: struct({ interface: text, mac: text, sendFromBase: flag }),
		garp,
		lease: virtualIpLease,
		syncGroup: text,
		routes: texts,
		rules: texts,
		notify,
		downAfterAdverts: whole(1, 100, "a number from 1 to 100"),
		accept: flag,
		strict: flag,
		checkAddresses: flag,
		trackInterface: flag,
		trackSourceAddress: flag,
		advertOnLowerPriority: flag,
		advertOnHigherPriority: flag,
		instanceName: text,
	},
	"addresses",
	"virtualRouterId",
);
