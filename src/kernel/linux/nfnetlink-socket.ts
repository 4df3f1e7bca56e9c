// A netlink socket to netfilter: nftables and conntrack. In: whole batches, or one request that is answered with messages.
// Out: what was refused, or the messages. The kernel works while `send` runs; all its answers are there when it returns.

import type { Failure, Opened } from "../host-network.ts";
import { EAGAIN, EINTR, ENOBUFS } from "./abi/errno.ts";
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, sockaddrNlBytes } from "./abi/netlink.ts";
import { NETLINK_NETFILTER } from "./abi/nfnetlink.ts";
import {
	AF_NETLINK,
	MSG_DONTWAIT,
	SO_RCVBUF,
	SO_RCVBUFFORCE,
	SO_SNDBUF,
	SO_SNDBUFFORCE,
	SOL_SOCKET,
} from "./abi/socket.ts";
import { errorNumber, libc, libcLater } from "./libc.ts";
import { messagesIn, type NetlinkMessage } from "./netlink-message.ts";
import { kernelWords, openNetlink } from "./open-netlink.ts";
import { systemFailure } from "./system-error.ts";

export interface Refusal {
	/** Of the message that was refused. */
	readonly sequence: number;
	readonly error: number;
	readonly kernelSays: string | undefined;
}

export type BatchAnswer =
	| { readonly ok: true }
	/** Nothing reached the kernel, or its answer was lost: then what is there must be read. */
	| { readonly ok: false; readonly failure: Failure }
	| { readonly ok: false; readonly refusals: readonly Refusal[] };

export type DumpAnswer = { readonly ok: true } | { readonly ok: false; readonly error: number };

/** A dump that the kernel calls inconsistent is asked for again that often. */
const dumpAttempts = 20;

export class NfnetlinkSocket {
	readonly #fd: number;
	readonly #received = Buffer.alloc(65_536);
	#sendBytes = 0;
	#sequence = 1;
	#isDumping = false;
	#isClosed = false;

	/** How the kernel names this socket in what it tells others of changes. */
	readonly portId: number;

	private constructor(fd: number) {
		this.#fd = fd;
		const address = Buffer.alloc(sockaddrNlBytes);
		address.writeUInt16LE(AF_NETLINK, 0);
		libc.bind(fd, address, address.length);
		const length = Buffer.alloc(4);
		length.writeUInt32LE(sockaddrNlBytes);
		libc.getsockname(fd, address, length);
		this.portId = address.readUInt32LE(4);
	}

	/** Belongs to the network namespace that the thread is in. */
	static open(): Opened<NfnetlinkSocket> {
		const fd = openNetlink(NETLINK_NETFILTER, 10);
		if (fd < 0) return systemFailure(errorNumber(), "the netlink socket for netfilter");
		setBufferBytes(fd, SO_RCVBUFFORCE, SO_RCVBUF, 4 << 20);
		return { ok: true, value: new NfnetlinkSocket(fd) };
	}

	/** The first of `count` numbers that no earlier message had. */
	takeSequences(count: number): number {
		const first = this.#sequence;
		this.#sequence = first + count > 0x7fff_0000 ? 1 : first + count;
		return first;
	}

	/** The batch's messages have the numbers from `firstSequence` on. */
	sendBatch(bytes: Buffer, what: string): BatchAnswer {
		this.#discard();
		if (bytes.length > this.#sendBytes) {
			this.#sendBytes = bytes.length + 4096;
			setBufferBytes(this.#fd, SO_SNDBUFFORCE, SO_SNDBUF, this.#sendBytes);
		}
		const failed = this.#send(bytes);
		if (failed !== 0) return { ok: false, failure: systemFailure(failed, what) };
		return this.#batchAnswers(what);
	}

	/** `message` is sent again when the kernel says that its answer mixes two states. `restart` forgets what came so far. */
	dump(message: Buffer, onMessage: (message: NetlinkMessage) => void, restart: () => void): DumpAnswer {
		for (let attempt = 1; ; attempt++) {
			const sequence = this.takeSequences(1);
			message.writeUInt32LE(sequence, 8);
			this.#discard();
			const failed = this.#send(message);
			if (failed !== 0) return { ok: false, error: failed };
			const answer = this.#dumpAnswers(sequence, onMessage);
			if (answer.error !== 0 && answer.error !== EINTR) return { ok: false, error: answer.error };
			if (answer.error === 0 && (!answer.interrupted || attempt === dumpAttempts)) return { ok: true };
			if (attempt === dumpAttempts) return { ok: false, error: EINTR };
			restart();
		}
	}

	/** As `dump`, while this thread goes on; nothing else may use the socket until it is over. */
	async dumpLater(
		message: Buffer,
		onMessage: (message: NetlinkMessage) => void,
		restart: () => void,
	): Promise<DumpAnswer> {
		const own = Buffer.from(message);
		this.#isDumping = true;
		try {
			for (let attempt = 1; ; attempt++) {
				const sequence = this.takeSequences(1);
				own.writeUInt32LE(sequence, 8);
				this.#discard();
				// The kernel walks its tables inside of these calls.
				const sent = await libcLater.send(this.#fd, own, own.length, 0);
				if (sent.result < 0) return { ok: false, error: sent.error };
				const answer = await this.#dumpAnswersLater(sequence, onMessage);
				if (answer.error !== 0 && answer.error !== EINTR) return { ok: false, error: answer.error };
				if (answer.error === 0 && (!answer.interrupted || attempt === dumpAttempts)) return { ok: true };
				if (attempt === dumpAttempts || this.#isClosed) return { ok: false, error: EINTR };
				restart();
			}
		} finally {
			this.#isDumping = false;
			if (this.#isClosed) libc.close(this.#fd);
		}
	}

	close(): void {
		this.#isClosed = true;
		// Its number would be another file's.
		if (!this.#isDumping) libc.close(this.#fd);
	}

	#send(bytes: Buffer): number {
		for (;;) {
			if (libc.send(this.#fd, bytes, bytes.length, 0) >= 0) return 0;
			const error = errorNumber();
			if (error !== EINTR) return error;
		}
	}

	/** What an earlier exchange left behind. */
	#discard(): void {
		while (libc.recv(this.#fd, this.#received, this.#received.length, MSG_DONTWAIT) >= 0 || errorNumber() === ENOBUFS);
	}

	#batchAnswers(what: string): BatchAnswer {
		const refusals: Refusal[] = [];
		let acknowledged = false;
		let overflown = false;
		for (;;) {
			const length = libc.recv(this.#fd, this.#received, this.#received.length, MSG_DONTWAIT);
			if (length < 0) {
				const error = errorNumber();
				if (error === EINTR) continue;
				if (error === EAGAIN) break;
				// So many refusals that not all fit; it is told once, before the first ones, which are there.
				if (error === ENOBUFS && !overflown) {
					overflown = true;
					continue;
				}
				return { ok: false, failure: systemFailure(error, what) };
			}
			for (const answer of messagesIn(this.#received.subarray(0, length))) {
				if (answer.type !== NLMSG_ERROR) continue;
				const error = -answer.body.readInt32LE(0);
				if (error === 0) acknowledged = true;
				else refusals.push({ sequence: answer.sequence, error, kernelSays: kernelWords(answer) });
			}
		}
		if (refusals.length > 0) return { ok: false, refusals };
		return acknowledged && !overflown
			? { ok: true }
			: { ok: false, failure: { ok: false, because: "refused", message: `${what}: the kernel gave no answer` } };
	}

	#dumpAnswers(sequence: number, onMessage: (message: NetlinkMessage) => void): DumpEnd {
		let interrupted = false;
		for (;;) {
			const length = libc.recv(this.#fd, this.#received, this.#received.length, 0);
			if (length < 0) {
				const error = errorNumber();
				if (error === EINTR) continue;
				return { error, interrupted };
			}
			const part = this.#dumpPart(length, sequence, onMessage);
			interrupted ||= part.interrupted;
			if (part.error !== undefined) return { error: part.error, interrupted };
		}
	}

	async #dumpAnswersLater(sequence: number, onMessage: (message: NetlinkMessage) => void): Promise<DumpEnd> {
		let interrupted = false;
		for (;;) {
			const { error, result } = await libcLater.recv(this.#fd, this.#received, this.#received.length, 0);
			if (this.#isClosed) return { error: EINTR, interrupted };
			if (result < 0) {
				if (error === EINTR) continue;
				return { error, interrupted };
			}
			const part = this.#dumpPart(result, sequence, onMessage);
			interrupted ||= part.interrupted;
			if (part.error !== undefined) return { error: part.error, interrupted };
		}
	}

	/** What one read brought. With `error`, 0 for none, it was the last. */
	#dumpPart(
		length: number,
		sequence: number,
		onMessage: (message: NetlinkMessage) => void,
	): { readonly error?: number; readonly interrupted: boolean } {
		let interrupted = false;
		for (const answer of messagesIn(this.#received.subarray(0, length))) {
			if (answer.sequence !== sequence) continue;
			if (answer.flags & NLM_F_DUMP_INTR) interrupted = true;
			if (answer.type === NLMSG_DONE) {
				const error = answer.body.length >= 4 ? -answer.body.readInt32LE(0) : 0;
				return { error: Math.max(0, error), interrupted };
			}
			if (answer.type === NLMSG_ERROR) return { error: -answer.body.readInt32LE(0), interrupted };
			onMessage(answer);
		}
		return { interrupted };
	}
}

interface DumpEnd {
	readonly error: number;
	readonly interrupted: boolean;
}

/** Beyond the system's limit where that is allowed. */
export function setBufferBytes(fd: number, force: number, plain: number, bytes: number): void {
	const value = Buffer.alloc(4);
	value.writeInt32LE(bytes);
	if (libc.setsockopt(fd, SOL_SOCKET, force, value, 4) !== 0) libc.setsockopt(fd, SOL_SOCKET, plain, value, 4);
}
