// HTTP and HTTPS as `curl -f` sees it: a new connection each interval, a status under 400 is good, redirects are not followed, the
// body is read to its end, certificates are verified unless told otherwise. The last good connection stays open as a tripwire.

import { readFileSync } from "node:fs";
import { isIP, type Socket } from "node:net";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { HttpResponseReader } from "./http-response.ts";
import { type CheckOutcome, startPolledProbe } from "./polled-probe.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { describeSocketError } from "./socket-error.ts";
import { openTcp } from "./tcp-probe.ts";
import { drop, Tripwire } from "./tripwire.ts";
import type { Connected } from "./until-connected.ts";

type HttpCheck = Extract<TrackerCheck, { type: "http" }>;

export function startHttpProbe(check: HttpCheck, context: ProbeContext): Probe {
	const tripwire = new Tripwire(
		() => context.clock.monotonicMs(),
		() => probe.recheck(),
	);
	const url = new URL(check.url);
	const request = requestOf(url);
	const probe = startPolledProbe(
		check,
		async (signal) => {
			const opened = await open(url, check, signal);
			if (!opened.ok) return opened;
			const answer = await ask(opened.socket, request, signal);
			if (answer.ok && answer.keepsAlive) tripwire.keep(opened.socket);
			else drop(opened.socket);
			return { ok: answer.ok, because: answer.because };
		},
		context,
	);
	return {
		recheck: () => probe.recheck(),
		close: () => {
			probe.close();
			tripwire.close();
		},
	};
}

function requestOf(url: URL): string {
	const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
	return [
		`GET ${url.pathname}${url.search} HTTP/1.1`,
		`Host: ${url.host}`,
		...(login === ":" ? [] : [`Authorization: Basic ${Buffer.from(login).toString("base64")}`]),
		"User-Agent: keepmesh-probe",
		"Accept: */*",
		"\r\n",
	].join("\r\n");
}

async function open(url: URL, check: HttpCheck, signal: AbortSignal): Promise<Connected> {
	const secure = url.protocol === "https:";
	const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
	const opened = await openTcp({ host, port: Number(url.port) || (secure ? 443 : 80) }, signal);
	if (!opened.ok || !secure) return opened;
	// TLS is loaded only by a process that needs it: it is large.
	const { connect } = await import("node:tls");
	return new Promise((resolve) => {
		const fail = (because: string): void => {
			signal.removeEventListener("abort", aborted);
			drop(opened.socket);
			resolve({ ok: false, because });
		};
		const aborted = (): void => fail("aborted");
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		let ca: Buffer | undefined;
		try {
			ca = check.caFile === undefined ? undefined : readFileSync(check.caFile);
		} catch (error) {
			return fail(`cannot read ${check.caFile}: ${error instanceof Error ? error.message : error}`);
		}
		const socket = connect({
			socket: opened.socket,
			host,
			rejectUnauthorized: !check.insecure,
			ALPNProtocols: ["http/1.1"],
			...(isIP(host) ? {} : { servername: host }),
			...(ca ? { ca } : {}),
		});
		socket.once("error", (error) => fail(describeSocketError(error)));
		socket.once("secureConnect", () => {
			signal.removeEventListener("abort", aborted);
			resolve({ ok: true, socket });
		});
	});
}

interface Answer extends CheckOutcome {
	readonly keepsAlive: boolean;
}

function ask(socket: Socket, request: string, signal: AbortSignal): Promise<Answer> {
	const reader = new HttpResponseReader();
	return new Promise((resolve) => {
		const finish = (answer: Answer): void => {
			signal.removeEventListener("abort", aborted);
			socket.removeAllListeners();
			socket.on("error", () => undefined);
			resolve(answer);
		};
		const bad = (because: string): void => finish({ ok: false, because, keepsAlive: false });
		const aborted = (): void => bad("aborted");
		const take = (progress: ReturnType<HttpResponseReader["push"]>): void => {
			if (progress.type === "bad") bad(progress.because);
			if (progress.type !== "done") return;
			const { status, keepsAlive } = progress.response;
			finish({ ok: status < 400, because: `HTTP ${status}`, keepsAlive });
		};
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		socket.removeAllListeners("error");
		socket.once("error", (error) => bad(describeSocketError(error)));
		socket.on("data", (bytes: Buffer) => take(reader.push(bytes)));
		socket.once("end", () => take(reader.end()));
		socket.once("close", () => bad("connection closed without an answer"));
		socket.write(request);
	});
}
