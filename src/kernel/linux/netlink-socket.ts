// Asks the kernel by netlink and waits for its answer, which comes at once. In: a message. Out: done, or why not.

import type { Failure } from "../host-network.ts";
import { EINTR } from "./abi/errno.ts";
import { NETLINK_ROUTE, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR } from "./abi/netlink.ts";
import { errorNumber, libc } from "./libc.ts";
import { messagesIn, type NetlinkMessage, NetlinkWriter } from "./netlink-message.ts";
import { kernelWords, openNetlink } from "./open-netlink.ts";
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
		this.#fd = openNetlink(protocol, 1);
		if (this.#fd < 0) throw new Error(`no netlink socket: error ${errorNumber()}`);
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
