// The API server answered, and the answer was no.

import { type ApiStatus, statusOf } from "./api-object.ts";

export class Refused extends Error {
	override readonly name = "Refused";
	readonly code: number;
	/** Kubernetes' word: `NotFound`, `Conflict`, `Forbidden`. */
	readonly reason: string | undefined;
	readonly retryAfterMs: number | undefined;

	constructor(status: ApiStatus, retryAfterMs?: number) {
		super(status.message ?? status.reason ?? `status ${status.code}`);
		this.code = status.code ?? 0;
		this.reason = status.reason;
		const seconds = status.details?.retryAfterSeconds;
		this.retryAfterMs = retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000);
	}

	/** The same again would be refused again. False where the server is not well, or has too much to do. */
	get isFinal(): boolean {
		return this.code < 500 && this.code !== 429;
	}

	static of(answer: { readonly status: number; readonly body: unknown; readonly retryAfterMs?: number }): Refused {
		return new Refused({ code: answer.status, ...statusOf(answer.status, answer.body) }, answer.retryAfterMs);
	}
}
