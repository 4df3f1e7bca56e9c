// What a client asks of a layer-4 address, and what it met: who answered, which source the server saw, or how it was refused.

export interface Probe {
	readonly protocol: "tcp" | "udp";
	readonly address: string;
	readonly port: number;
	/** One connection after the other until everybody of `until` has answered; at most so many. */
	readonly tries: number;
	/** `ADDRESS:PORT` of servers. */
	readonly until?: readonly string[];
	/** One of the client's own addresses. */
	readonly from?: string;
	/** UDP: one of its ports, so that one probe after the other is one flow. */
	readonly fromPort?: number;
	readonly timeoutMs?: number;
}

export interface Met {
	/** `ADDRESS:PORT` of the servers, sorted. */
	readonly answeredBy: readonly string[];
	/** Addresses that servers saw, sorted. */
	readonly sources: readonly string[];
	readonly refused: number;
	readonly silent: number;
	/** Whatever else happened, in the system's words. */
	readonly errors: readonly string[];
	readonly tries: number;
}

/** Of one connection. */
export type Answer =
	| { readonly type: "answered"; readonly by: string; readonly source: string }
	| { readonly type: "refused" | "silent" }
	| { readonly type: "error"; readonly code: string };

export function summariseAnswers(answers: readonly Answer[]): Met {
	const answered = answers.filter((answer) => answer.type === "answered");
	const count = (type: Answer["type"]): number => answers.filter((answer) => answer.type === type).length;
	return {
		answeredBy: distinct(answered.map(({ by }) => by)),
		sources: distinct(answered.map(({ source }) => source)),
		refused: count("refused"),
		silent: count("silent"),
		errors: distinct(answers.flatMap((answer) => (answer.type === "error" ? [answer.code] : []))),
		tries: answers.length,
	};
}

function distinct(texts: readonly string[]): readonly string[] {
	return [...new Set(texts)].sort();
}
