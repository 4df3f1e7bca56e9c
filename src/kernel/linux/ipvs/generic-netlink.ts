// Requests of one generic netlink family (linux: Documentation/userspace-api/netlink/intro.rst). In: its name, commands. Out: as
// NetlinkSocket answers; messages without their generic header.

import { ENOENT } from "../abi/errno.ts";
import {
	CTRL_ATTR_FAMILY_ID,
	CTRL_ATTR_FAMILY_NAME,
	CTRL_CMD_GETFAMILY,
	GENL_ID_CTRL,
	genlmsghdrBytes,
	NETLINK_GENERIC,
} from "../abi/ip-vs.ts";
import { attributesIn, type NetlinkWriter } from "../netlink-message.ts";
import { type Answer, NetlinkSocket } from "../netlink-socket.ts";

export type GenericOpened = { readonly ok: true; readonly value: GenericNetlink } | (Answer & { readonly ok: false });

/** In the network namespace that the thread is in. The kernel loads the family's module by itself where there is one. */
export function openGenericNetlink(family: string, version: number): GenericOpened {
	const socket = new NetlinkSocket(NETLINK_GENERIC);
	const { fixed, writer } = socket.start(GENL_ID_CTRL, 0, genlmsghdrBytes);
	fixed[0] = CTRL_CMD_GETFAMILY;
	fixed[1] = 1;
	writer.text(CTRL_ATTR_FAMILY_NAME, family);
	let id: number | undefined;
	const answer = socket.get(`asking for ${family}`, ({ body }) => {
		id = attributesIn(body.subarray(genlmsghdrBytes)).get(CTRL_ATTR_FAMILY_ID)?.readUInt16LE(0);
	});
	if (answer.ok && id !== undefined) return { ok: true, value: new GenericNetlink(socket, id, version) };
	socket.close();
	if (!answer.ok && answer.error !== ENOENT) return answer;
	const message = `${family} is not in this kernel`;
	return { ok: false, error: ENOENT, failure: { ok: false, because: "unsupported", message } };
}

export class GenericNetlink {
	readonly #socket: NetlinkSocket;
	readonly #family: number;
	readonly #version: number;

	constructor(socket: NetlinkSocket, family: number, version: number) {
		this.#socket = socket;
		this.#family = family;
		this.#version = version;
	}

	request(command: number, what: string, write: (writer: NetlinkWriter) => void): Answer {
		this.#start(command, write);
		return this.#socket.request(what);
	}

	get(command: number, what: string, onBody: (attributes: ReadonlyMap<number, Buffer>) => void): Answer {
		this.#start(command, () => {});
		return this.#socket.get(what, ({ body }) => onBody(attributesIn(body.subarray(genlmsghdrBytes))));
	}

	dump(
		command: number,
		what: string,
		write: (writer: NetlinkWriter) => void,
		onBody: (attributes: ReadonlyMap<number, Buffer>) => void,
	): Answer {
		this.#start(command, write);
		return this.#socket.dump(what, ({ body }) => onBody(attributesIn(body.subarray(genlmsghdrBytes))));
	}

	close(): void {
		this.#socket.close();
	}

	#start(command: number, write: (writer: NetlinkWriter) => void): void {
		const { fixed, writer } = this.#socket.start(this.#family, 0, genlmsghdrBytes);
		fixed[0] = command;
		fixed[1] = this.#version;
		write(writer);
	}
}
