// Sockets with what Node has no option for: a mark, one interface (SO_MARK, SO_BINDTODEVICE; socket(7)). A descriptor goes out, which
// Node's own classes take over.

import type { CheckConnection } from "../../vip/keepalived-conf/virtual-servers.ts";
import { kernel } from "./readable-descriptor.ts";

const families = { ipv4: 2, ipv6: 10 };
const kinds = { tcp: 1, udp: 2 };
const nonBlockingCloseOnExec = 0o2004000;
const solSocket = 1;
const soMark = 36;
const soBindToDevice = 25;

export function openMarkedSocket(
	kind: "tcp" | "udp",
	family: "ipv4" | "ipv6",
	{ mark, bindInterface }: CheckConnection,
): { readonly ok: true; readonly fd: number } | { readonly ok: false; readonly because: string } {
	const { socket, setsockopt, close, errorNumber } = kernel();
	const fd = socket(families[family], kinds[kind] | nonBlockingCloseOnExec, 0);
	if (fd < 0) return { ok: false, because: `no socket (error ${errorNumber()})` };
	const fail = (what: string): { readonly ok: false; readonly because: string } => {
		const because = `${what}: error ${errorNumber()}`;
		close(fd);
		return { ok: false, because };
	};
	if (mark !== undefined) {
		const bytes = Buffer.alloc(4);
		bytes.writeUInt32LE(mark);
		if (setsockopt(fd, solSocket, soMark, bytes, 4) !== 0) return fail(`cannot set the mark ${mark}`);
	}
	if (bindInterface !== undefined) {
		const name = Buffer.from(`${bindInterface}\0`);
		if (setsockopt(fd, solSocket, soBindToDevice, name, name.length) !== 0)
			return fail(`cannot leave by ${bindInterface}`);
	}
	return { ok: true, fd };
}
