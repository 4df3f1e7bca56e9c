// SMTP_CHECK: a greeting of 220, 250 to HELO, and some answer to QUIT (RFC 5321).

import type { Socket } from "node:net";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import { openChecked } from "./checked-connection.ts";
import type { CheckRun, CheckTarget } from "./real-server-check.ts";
import { drop } from "./tripwire.ts";

/** keepalived's, which servers may know. */
const defaultHeloName = "smtpchecker.keepalived.org";
const maxLineBytes = 4096;

export async function checkSmtp(
	check: Extract<RealServerCheck, { type: "smtp" }>,
	target: CheckTarget,
	{ signal, touch }: CheckRun,
): Promise<CheckOutcome> {
	const opened = await openChecked(check.connection, target, signal);
	if (!opened.ok) return opened;
	const { socket } = opened;
	touch();
	socket.on("data", touch);
	const giveUp = (): void => drop(socket);
	signal.addEventListener("abort", giveUp, { once: true });
	try {
		const lines = linesOf(socket);
		const greeting = await lines();
		if (!greeting.startsWith("220")) return { ok: false, because: `greeted with ${quoted(greeting)}` };
		socket.write(`HELO ${check.heloName ?? defaultHeloName}\r\n`);
		const hello = await lines();
		if (!hello.startsWith("250")) return { ok: false, because: `HELO was answered with ${quoted(hello)}` };
		socket.write("QUIT\r\n");
		await lines();
		return { ok: true, because: "it talks SMTP" };
	} finally {
		signal.removeEventListener("abort", giveUp);
		drop(socket);
	}
}

const quoted = (line: string): string => JSON.stringify(line.slice(0, 60));

/** The next line each time; rejects when the connection ends before it. */
function linesOf(socket: Socket): () => Promise<string> {
	const chunks = socket[Symbol.asyncIterator]();
	let text = "";
	return async () => {
		for (;;) {
			const end = text.indexOf("\n");
			if (end >= 0) {
				const line = text.slice(0, end).trimEnd();
				text = text.slice(end + 1);
				return line;
			}
			if (text.length > maxLineBytes) throw new Error("a line without end");
			const { done, value } = await chunks.next();
			if (done) throw new Error("connection closed in the middle");
			text += (value as Buffer).toString("latin1");
		}
	};
}
