// grpc.health.v1.Health: Check each interval, over one connection whose loss is asked about at once. Where the server offers Watch,
// a change of its status is known without waiting for the interval.

import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { encodeHealthRequest, HealthResponseReader, type ServingStatus } from "./grpc-health-message.ts";
import { type CheckOutcome, startPolledProbe } from "./polled-probe.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { describeSocketError } from "./socket-error.ts";

type GrpcCheck = Extract<TrackerCheck, { type: "grpc" }>;

const unimplemented = "12";
const notFound = "5";

export function startGrpcProbe(check: GrpcCheck, context: ProbeContext): Probe {
	return new GrpcProbe(check, context);
}

class GrpcProbe implements Probe {
	readonly #check: GrpcCheck;
	readonly #probe: Probe;
	#session: ClientHttp2Session | undefined;
	#watched: ServingStatus | undefined;
	#offersWatch = true;
	#closed = false;

	constructor(check: GrpcCheck, context: ProbeContext) {
		this.#check = check;
		this.#probe = startPolledProbe(check, (signal) => this.#ask(signal), context);
	}

	recheck(): void {
		this.#probe.recheck();
	}

	close(): void {
		this.#closed = true;
		this.#probe.close();
		this.#session?.destroy();
		this.#session = undefined;
	}

	async #ask(signal: AbortSignal): Promise<CheckOutcome> {
		// HTTP/2 is loaded only by a process that needs it.
		const http2 = await import("node:http2");
		if (this.#closed) return { ok: false, because: "closed" };
		const opened = this.#session ?? this.#open(http2.connect);
		const outcome = await this.#call(opened, "Check", signal);
		// A connection that does not answer is not asked again: a new one may.
		if (signal.aborted && this.#session === opened) this.#drop(opened);
		return outcome;
	}

	#open(connect: typeof import("node:http2").connect): ClientHttp2Session {
		const { host, port } = this.#check;
		const session = connect(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
		this.#session = session;
		session.on("error", () => undefined);
		session.once("connect", () => this.#watch(session));
		session.once("goaway", () => this.#lost(session));
		session.once("close", () => this.#lost(session));
		return session;
	}

	#drop(session: ClientHttp2Session): void {
		if (this.#session === session) this.#session = undefined;
		session.destroy();
	}

	#lost(session: ClientHttp2Session): void {
		if (this.#session !== session) return;
		this.#drop(session);
		if (!this.#closed) this.#probe.recheck();
	}

	#request(session: ClientHttp2Session, method: "Check" | "Watch"): ClientHttp2Stream {
		const stream = session.request({
			":method": "POST",
			":path": `/grpc.health.v1.Health/${method}`,
			"content-type": "application/grpc",
			te: "trailers",
			"user-agent": "keepmesh-probe",
		});
		stream.end(encodeHealthRequest(this.#check.service));
		return stream;
	}

	#call(session: ClientHttp2Session, method: "Check", signal: AbortSignal): Promise<CheckOutcome> {
		return new Promise((resolve) => {
			const stream = this.#request(session, method);
			const reader = new HealthResponseReader();
			let status: ServingStatus | undefined;
			let code: string | undefined;
			const finish = (outcome: CheckOutcome): void => {
				signal.removeEventListener("abort", aborted);
				session.removeListener("error", failed);
				resolve(outcome);
			};
			const aborted = (): void => {
				stream.close();
				finish({ ok: false, because: "aborted" });
			};
			const failed = (error: Error): void => finish({ ok: false, because: describeSocketError(error) });
			const takeCode = (headers: IncomingHttpHeaders): void => {
				code = headers["grpc-status"]?.toString() ?? code;
			};
			signal.addEventListener("abort", aborted, { once: true });
			session.once("error", failed);
			stream.on("error", failed);
			stream.on("response", (headers) => {
				takeCode(headers);
				if (headers[":status"] !== 200) finish({ ok: false, because: `HTTP ${headers[":status"]}` });
			});
			stream.on("trailers", takeCode);
			stream.on("data", (bytes: Buffer) => {
				try {
					status = reader.push(bytes).at(-1) ?? status;
				} catch (error) {
					stream.close();
					failed(error as Error);
				}
			});
			stream.once("close", () => {
				if (code !== undefined && code !== "0") finish({ ok: false, because: describeCode(code, this.#check.service) });
				else if (status) finish({ ok: status === "SERVING", because: status });
				else finish({ ok: false, because: "connection closed without an answer" });
			});
		});
	}

	#watch(session: ClientHttp2Session): void {
		if (!this.#offersWatch || session.destroyed || session.closed) return;
		const stream = this.#request(session, "Watch");
		const reader = new HealthResponseReader();
		this.#watched = undefined;
		stream.on("error", () => undefined);
		const takeCode = (headers: IncomingHttpHeaders): void => {
			if (headers["grpc-status"] === unimplemented) this.#offersWatch = false;
		};
		stream.on("response", takeCode);
		stream.on("trailers", takeCode);
		stream.on("data", (bytes: Buffer) => {
			try {
				for (const status of reader.push(bytes)) {
					const changed = this.#watched !== undefined && this.#watched !== status;
					this.#watched = status;
					if (changed && this.#session === session) this.#probe.recheck();
				}
			} catch {
				this.#offersWatch = false;
				stream.close();
			}
		});
	}
}

function describeCode(code: string, service: string): string {
	if (code === unimplemented) return "the server has no health service";
	if (code === notFound) return `the server knows no service ${JSON.stringify(service)}`;
	return `gRPC status ${code}`;
}
