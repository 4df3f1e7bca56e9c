// Asks the kernel by netlink and waits for its answer, which comes at once. In: a message. Out: done, or why not.

import type { Failure } from "../host-network.ts";
import { EINTR } from "./abi/errno.ts";
import {
	NETLINK_CAP_ACK,
	NETLINK_EXT_ACK,
	NETLINK_ROUTE,
	NLM_F_ACK,
	NLM_F_CAPPED,
	NLM_F_DUMP,
	NLM_F_REQUEST,
	NLMSG_DONE,
	NLMSG_ERROR,
	NLMSGERR_ATTR_MSG,
	nlmsghdrBytes,
	SOL_NETLINK,
} from "./abi/netlink.ts";
import { AF_NETLINK, SO_RCVTIMEO, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET } from "./abi/socket.ts";
import { errorNumber, libc } from "./libc.ts";
import { attributesIn, messagesIn, type NetlinkMessage, NetlinkWriter, textOf } from "./netlink-message.ts";
import { systemFailure } from "./system-error.ts";

/** `error` is the kernel's number, for callers that expect one. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly error: number; readonly failure: Failure };

export class NetlinkSocket {
	readonly #fd: number;
	readonly #writer = new NetlinkWriter();
	readonly #received = Buffer.alloc(65_536);
	#sequence = 0;

	/** Belongs to the network namespace that the thread is in. Throws when the machine has no netlink. Default: routing. */
	constructor(protocol: number = NETLINK_ROUTE) {
		this.#fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
		if (this.#fd < 0) throw new Error(`no netlink socket: error ${errorNumber()}`);
		const yes = Buffer.from([1, 0, 0, 0]);
		libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, yes, 4);
		libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, yes, 4);
		const second = Buffer.alloc(16);
		second.writeBigInt64LE(1n, 0);
		libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, second, 16);
	}

	/** Starts a request, which `request` or `dump` then sends. */
	start(type: number, flags: number, fixedBytes: number): { readonly fixed: Buffer; readonly writer: NetlinkWriter } {
		return { fixed: this.#writer.start(type, flags | NLM_F_REQUEST, fixedBytes), writer: this.#writer };
	}

	/** Sends what was started and waits until it is done. `what` names it in the failure's text. */
	request(what: string): Answer {
		return this.#exchange(NLM_F_ACK, what, () => {});
	}

	/** The same, for a request that is answered with messages. */
	dump(what: string, onMessage: (message: NetlinkMessage) => void): Answer {
		return this.#exchange(NLM_F_DUMP, what, onMessage);
	}

	/** One thing is asked for: one message, then the acknowledgement. */
	get(what: string, onMessage: (message: NetlinkMessage) => void): Answer {
		return this.#exchange(NLM_F_ACK, what, onMessage);
	}

	close(): void {
		libc.close(this.#fd);
	}

	#exchange(flags: number, what: string, onMessage: (message: NetlinkMessage) => void): Answer {
		const sequence = ++this.#sequence >>> 0;
		const message = this.#writer.finish(sequence);
		message.writeUInt16LE(message.readUInt16LE(6) | flags, 6);
		if (libc.send(this.#fd, message, message.length, 0) < 0) return this.#failed(errorNumber(), what);
		for (;;) {
			const length = libc.recv(this.#fd, this.#received, this.#received.length, 0);
			if (length < 0) {
				const error = errorNumber();
				if (error === EINTR) continue;
				return this.#failed(error, what);
			}
			for (const answer of messagesIn(this.#received.subarray(0, length))) {
				if (answer.sequence !== sequence) continue;
				if (answer.type === NLMSG_DONE) return { ok: true };
				if (answer.type !== NLMSG_ERROR) {
					onMessage(answer);
					continue;
				}
				const error = -answer.body.readInt32LE(0);
				return error === 0 ? { ok: true } : this.#failed(error, what, kernelWords(answer));
			}
		}
	}

	#failed(error: number, what: string, kernelSays?: string): Answer {
		return { ok: false, error, failure: systemFailure(error, what, kernelSays) };
	}
}

/** The extended acknowledgement's text. The refused message is repeated before it unless the flag says not. */
function kernelWords(answer: NetlinkMessage): string | undefined {
	const repeated = answer.flags & NLM_F_CAPPED ? nlmsghdrBytes : Math.max(nlmsghdrBytes, answer.body.readUInt32LE(4));
	return textOf(attributesIn(answer.body.subarray(4 + repeated)).get(NLMSGERR_ATTR_MSG));
}
