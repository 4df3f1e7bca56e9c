// Asks the control planes: one for what any of them can say or do, all for what only together they know. Every way to fail
// becomes a CliError; a replica that does not answer is named on stderr, and the others are shown.

import type { ApiFailure } from "../api/api-types.ts";
import type { HttpAnswer } from "../demo/namespace-request.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type ApiOption, type ControlPlanes, findControlPlanes, type Replica } from "./find-control-planes.ts";
import { say, sayProblems } from "./terminal.ts";

export interface Call {
	readonly method?: "GET" | "PUT" | "POST" | "DELETE";
	readonly body?: string;
	/** Answers that are not failures although their status is. */
	readonly expect?: readonly number[];
}

export interface ReplicaAnswer<Answer> {
	readonly replica: Replica;
	readonly answer: Answer;
}

/** One that hangs must not keep the others from being shown. */
const allTimeoutMs = 3000;

interface Silent {
	readonly name: string;
	readonly because: string;
}

/** The JSON of the first control plane that answers. */
export async function callApi<Answer>(options: ApiOption, path: string, call: Call = {}): Promise<Answer> {
	const planes = await findControlPlanes(options);
	const silent: Silent[] = [];
	for (const replica of planes.replicas) {
		try {
			return read<Answer>(await replica.ask(path, call), call);
		} catch (error) {
			if (error instanceof CliError) throw error;
			silent.push({ name: replica.name, because: reasonOf(error) });
			// What may have been done already is not done a second time elsewhere.
			if (call.method === "DELETE" && !wasNotSent(error)) break;
		}
	}
	throw noneAnswers(planes, silent);
}

/** What each control plane says; at least one. */
export async function askAll<Answer>(
	options: ApiOption,
	path: string,
	call: Call = {},
): Promise<readonly ReplicaAnswer<Answer>[]> {
	const planes = await findControlPlanes(options);
	const limited = { timeoutMs: allTimeoutMs, ...call };
	const settled = await Promise.all(
		planes.replicas.map(async (replica): Promise<ReplicaAnswer<Answer> | Silent> => {
			try {
				return { replica, answer: read<Answer>(await replica.ask(path, limited), call) };
			} catch (error) {
				if (error instanceof CliError && error.exitCode !== exitCodes.unavailable) throw error;
				return { name: replica.name, because: error instanceof CliError ? error.message : reasonOf(error) };
			}
		}),
	);
	const answers = settled.filter((one) => "replica" in one);
	const silent = settled.filter((one) => "name" in one);
	if (answers.length === 0) throw noneAnswers(planes, silent);
	for (const one of silent) saySilent(one);
	return answers;
}

const said = new Set<string>();

function saySilent({ name, because }: Silent): void {
	if (said.has(name)) return;
	said.add(name);
	say(`${name} does not answer (${because}); what it knows is missing here`);
}

/** One replica's answer, with every failure as a CliError. */
export async function askReplica<Answer>(replica: Replica, path: string): Promise<Answer> {
	let answer: HttpAnswer;
	try {
		answer = await replica.ask(path, {});
	} catch (error) {
		const message = `${replica.name} does not answer: ${reasonOf(error)}`;
		throw new CliError(exitCodes.unavailable, message, "keepmesh status");
	}
	return read(answer, {});
}

function read<Answer>(answer: HttpAnswer, call: Call): Answer {
	const { status, text } = answer;
	const isGood = (status >= 200 && status < 300) || call.expect?.includes(status);
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch {
		const what = isGood ? "no JSON" : `${status}`;
		throw new CliError(exitCodes.unavailable, `the control plane answered ${what}`, "keepmesh status");
	}
	if (isGood) return json as Answer;
	const failure = json as ApiFailure;
	sayProblems(failure.problems ?? []);
	const code = status === 422 ? exitCodes.data : status >= 500 ? exitCodes.unavailable : exitCodes.failure;
	throw new CliError(code, failure.error, failure.next || "keepmesh status");
}

function noneAnswers({ because, replicas, lab }: ControlPlanes, silent: readonly Silent[]): CliError {
	const reasons = [...new Set(silent.map((one) => one.because))].join("; ");
	const names = replicas.map((replica) => replica.name).join(", ");
	const next = lab
		? `keepmesh lab status --name ${lab.name}`
		: because === "this machine"
			? "keepmesh lab up (or: keepmesh control --resources DIR)"
			: "keepmesh control --resources DIR, or another --api URL";
	return new CliError(exitCodes.unavailable, `no control plane answers at ${names} (${because}): ${reasons}`, next);
}

function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const cause = (error.cause ?? error) as NodeJS.ErrnoException;
	const code = cause.code ?? "";
	if (code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE") return "it closed the connection";
	if (error.name === "TimeoutError") return "no answer in time";
	return code || cause.message || error.message;
}

function wasNotSent(error: unknown): boolean {
	const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
	return code === "ECONNREFUSED" || code === "EHOSTUNREACH" || message === "connection timed out";
}
