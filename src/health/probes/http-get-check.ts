// HTTP_GET and SSL_GET: one url is asked for over a connection of its own and read to its end; status code, MD5 digest of the body and a
// regular expression decide. Certificates are not looked at, as keepalived has it.

import { createHash } from "node:crypto";
import { isIP, isIPv6, type Socket } from "node:net";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import { regexOf } from "../../l4/virtual-server/regex-of.ts";
import type { HttpUrl, RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import { addressOf, openChecked } from "./checked-connection.ts";
import type { CheckRun, CheckTarget } from "./real-server-check.ts";
import { describeSocketError } from "./socket-error.ts";
import { drop } from "./tripwire.ts";

type HttpGetCheck = Extract<RealServerCheck, { type: "http" }>;

const maxHeadBytes = 64 * 1024;
/** A regular expression sees no more of the body than that. */
const maxSearchedBytes = 8 * 1024 * 1024;

export async function checkUrl(
	check: HttpGetCheck,
	index: number,
	target: CheckTarget,
	{ signal, touch }: CheckRun,
): Promise<CheckOutcome> {
	const url = check.urls[index];
	if (!url) throw new Error(`there is no url ${index}`);
	const opened = await openChecked(check.connection, target, signal);
	if (!opened.ok) return opened;
	touch();
	const socket = check.tls ? await secured(opened.socket, check, url, target, signal) : opened.socket;
	if (typeof socket === "string") return { ok: false, because: socket };
	touch();
	socket.on("data", touch);
	const answer = await ask(socket, requestOf(check, url, target), url, signal);
	return typeof answer === "string" ? { ok: false, because: `${url.path}: ${answer}` } : judge(url, answer);
}

export function requestOf(check: HttpGetCheck, url: HttpUrl, target: CheckTarget): string {
	const { address, port } = addressOf(check.connection, target);
	const literal = isIPv6(address) ? `[${address}]` : address;
	const host = url.virtualHost ?? target.virtualHost ?? `${literal}:${port}`;
	const closes = check.protocol === "1.0" ? "" : "Connection: close\r\n";
	const version = check.protocol === "1.1" ? "1.1" : "1.0";
	return `GET ${url.path} HTTP/${version}\r\nUser-Agent: KeepAliveClient\r\n${closes}Host: ${host}\r\n\r\n`;
}

async function secured(
	plain: Socket,
	check: HttpGetCheck,
	url: HttpUrl,
	target: CheckTarget,
	signal: AbortSignal,
): Promise<Socket | string> {
	const { connect } = await import("node:tls");
	const name = (url.virtualHost ?? target.virtualHost)?.replace(/:\d+$/, "");
	const sends = check.sni && name !== undefined && !isIP(name);
	return new Promise((resolve) => {
		const socket = connect({ socket: plain, rejectUnauthorized: false, ...(sends ? { servername: name } : {}) });
		const finish = (result: Socket | string): void => {
			signal.removeEventListener("abort", aborted);
			if (typeof result === "string") drop(socket);
			resolve(result);
		};
		const aborted = (): void => finish("given up");
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		socket.once("error", (error) => finish(`no TLS: ${describeSocketError(error)}`));
		socket.once("secureConnect", () => finish(socket));
	});
}

interface HttpAnswer {
	readonly status: number;
	/** Hexadecimal MD5 of the body as it came. */
	readonly digest?: string;
	/** One character for each byte. */
	readonly body: Buffer;
}

function ask(socket: Socket, request: string, url: HttpUrl, signal: AbortSignal): Promise<HttpAnswer | string> {
	const hash = url.digest === undefined ? undefined : createHash("md5");
	const kept: Buffer[] = [];
	let keptBytes = 0;
	let head: { readonly status: number; readonly length?: number } | undefined;
	let unread: Buffer = Buffer.alloc(0);
	let bodyBytes = 0;
	return new Promise((resolve) => {
		const finish = (answer: HttpAnswer | string): void => {
			signal.removeEventListener("abort", aborted);
			drop(socket);
			resolve(answer);
		};
		const done = (): void => {
			if (!head) finish("closed without an answer");
			else
				finish({
					status: head.status,
					body: Buffer.concat(kept),
					...(hash ? { digest: hash.digest("hex") } : {}),
				});
		};
		const takeBody = (bytes: Buffer): void => {
			const room = head?.length === undefined ? bytes.length : Math.max(0, head.length - bodyBytes);
			const body = bytes.subarray(0, room);
			bodyBytes += body.length;
			hash?.update(body);
			if (url.regex && keptBytes < maxSearchedBytes) {
				kept.push(body);
				keptBytes += body.length;
			}
			if (head?.length !== undefined && bodyBytes >= head.length) done();
		};
		const takeHead = (bytes: Buffer): void => {
			unread = Buffer.concat([unread, bytes]);
			const end = unread.indexOf("\r\n\r\n");
			if (end < 0) {
				if (unread.length > maxHeadBytes) finish("the header has no end");
				return;
			}
			const text = unread.toString("latin1", 0, end);
			const status = /^HTTP\/\d\.\d (\d{3})(?: |\r|$)/.exec(text)?.[1];
			if (status === undefined) {
				finish("no HTTP answer");
				return;
			}
			const length = /\r\nContent-Length:[ \t]*(\d+)/i.exec(text)?.[1];
			head = { status: Number(status), ...(length === undefined ? {} : { length: Number(length) }) };
			takeBody(unread.subarray(end + 4));
		};
		const aborted = (): void => finish("given up");
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		socket.removeAllListeners("error");
		socket.once("error", (error) => finish(describeSocketError(error)));
		socket.on("data", (bytes: Buffer) => (head ? takeBody(bytes) : takeHead(bytes)));
		socket.once("end", done);
		socket.once("close", done);
		socket.write(request);
	});
}

function judge(url: HttpUrl, { status, digest, body }: HttpAnswer): CheckOutcome {
	const bad = (because: string): CheckOutcome => ({ ok: false, because: `${url.path}: ${because}` });
	if (!url.statusCodes.some(([first, last]) => status >= first && status <= last)) return bad(`HTTP ${status}`);
	if (url.digest !== undefined && url.digest !== digest) return bad(`the digest is ${digest}`);
	if (url.regex) {
		const found = searches(url.regex, body);
		if (found === url.regex.mustNotMatch)
			return bad(found ? "the body matches the regular expression" : "the body does not match the regular expression");
	}
	return { ok: true, because: `${url.path}: HTTP ${status}` };
}

function searches(regex: NonNullable<HttpUrl["regex"]>, body: Buffer): boolean {
	const made = regexOf(regex);
	if (!made.ok) return false;
	const text = body.toString(made.regex.unicode ? "utf8" : "latin1");
	const searching = new RegExp(made.regex.source, `${made.regex.flags}g`);
	searching.lastIndex = regex.minOffset ?? 0;
	const found = searching.exec(text);
	return found !== null && (regex.maxOffset === undefined || found.index <= regex.maxOffset);
}
