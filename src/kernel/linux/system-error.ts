// Why the kernel refused, as a reason and a sentence. In: an error number, what was tried, the kernel's own words if it had any.

import type { Failure } from "../host-network.ts";
import * as errno from "./abi/errno.ts";

export function systemFailure(error: number, what: string, kernelSays?: string): Failure {
	const { because, text } = reasons[error] ?? { because: "refused", text: `error ${error}` };
	return { ok: false, because, message: `${what}: ${kernelSays ? `${kernelSays} (${text})` : text}` };
}

interface Reason {
	readonly because: Failure["because"];
	readonly text: string;
}

const notPermitted: Reason = {
	because: "notPermitted",
	text: "not permitted; run as root, or give the process CAP_NET_ADMIN and CAP_NET_RAW",
};
const noSuchInterface: Reason = { because: "noSuchInterface", text: "no such interface" };

const reasons: Readonly<Record<number, Reason>> = {
	[errno.EPERM]: notPermitted,
	[errno.EACCES]: notPermitted,
	[errno.ENODEV]: noSuchInterface,
	[errno.ENXIO]: noSuchInterface,
	[errno.ENETDOWN]: { because: "interfaceDown", text: "the interface is down; switch it on: ip link set NAME up" },
	[errno.EADDRNOTAVAIL]: { because: "noAddress", text: "the machine does not have this address" },
	[errno.ENOENT]: { because: "refused", text: "there is no such thing" },
	[errno.EEXIST]: { because: "refused", text: "it is there already, and different" },
	[errno.EINVAL]: { because: "invalid", text: "the kernel finds it invalid" },
	[errno.ENETUNREACH]: { because: "unreachable", text: "no route there" },
	[errno.EHOSTUNREACH]: { because: "unreachable", text: "the host cannot be reached" },
	[errno.EBUSY]: { because: "busy", text: "busy" },
	[errno.EAGAIN]: { because: "busy", text: "the queue is full" },
	[errno.ENOBUFS]: { because: "busy", text: "the queue is full" },
	[errno.EADDRINUSE]: { because: "busy", text: "another program has this port or address" },
	[errno.EOPNOTSUPP]: { because: "unsupported", text: "this kernel cannot do it" },
};
