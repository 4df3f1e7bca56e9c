// Fields of VirtualIPPool, keepmesh.io/v1alpha1.

import {
	choice,
	duration,
	durationOrZero,
	flag,
	labels,
	list,
	someTexts,
	struct,
	text,
	texts,
	whole,
} from "./shape.ts";
import { virtualIpAuthentication, virtualIpCheck, virtualIpLease } from "./virtual-ip-shape.ts";

const virtualRouterId = whole(1, 255, "a number from 1 to 255");

export const virtualIpPoolShape = struct(
	{
		addresses: someTexts,
		virtualRouterIds: struct({ from: virtualRouterId, to: virtualRouterId }, "from", "to"),
		autoAssign: flag,
		namespaces: texts,
		serviceSelector: labels,
		nodeSelector: labels,
		interface: text,
		advertInterval: duration,
		fastHeartbeat: choice("default", "fast", "off"),
		preempt: flag,
		preemptDelay: durationOrZero,
		openConnections: choice("follow", "end"),
		authentication: virtualIpAuthentication,
		checks: list(virtualIpCheck),
		lease: virtualIpLease,
	},
	"addresses",
);
