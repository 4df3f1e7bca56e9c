// Senders of a drill's load, each a process inside a pod or beside the mesh. In: where, to whom, how often. Out: what became of the
// requests, as counts or one by one.

import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SentRequest } from "../../lab/drill/sent-requests.ts";
import type { Lab } from "../../lab/lab.ts";
import type { LoadReport, LoadRequest } from "../../lab/load/load-report.ts";

export type SentLoad = Pick<LoadRequest, "host" | "headers" | "ratePerSecond" | "countHeader" | "newConnections"> & {
	/** Default 8080. */
	readonly port?: number;
	/** Default `/get`. */
	readonly path?: string;
	/** Default 5 s. */
	readonly timeoutMs?: number;
};

export interface Sender<Result = LoadReport> {
	/** Ends it, and waits for what is under way. */
	stop(): Promise<Result>;
}

export interface RequestLog {
	readonly startUs: number;
	readonly outcomes: readonly string[];
	readonly requests: readonly (readonly [number, number, number])[];
}

const programOf = (file: string): string => fileURLToPath(new URL(`../../lab/drill/${file}`, import.meta.url));
const defaultPort = 8080;
/** A sender whose drill hangs ends by itself. */
const longestLoadSeconds = 3600;

/** `place`: as Lab.spawnIn takes it, `client` or a pod. Counts only. */
export function startSender(lab: Lab, place: string, load: SentLoad): Promise<Sender> {
	return startProgram(lab, place, programOf("drill-sender.ts"), load, (report) => report as LoadReport);
}

/** Every request one by one, in times of CLOCK_MONOTONIC. Resolves when it has begun. */
export async function startLoggedSender(
	lab: Lab,
	place: string,
	load: SentLoad,
): Promise<Sender<readonly SentRequest[]>> {
	const program = programOf("request-log-sender.ts");
	return startProgram(
		lab,
		place,
		program,
		load,
		(log) => requestsOf(log as RequestLog),
		(child) => saysSo(child),
	);
}

async function startProgram<Result>(
	lab: Lab,
	place: string,
	program: string,
	load: SentLoad,
	read: (report: unknown) => Result,
	begins: (child: ChildProcess) => Promise<void> = async () => {},
): Promise<Sender<Result>> {
	const request: LoadRequest = {
		port: defaultPort,
		path: "/get",
		timeoutMs: 5_000,
		...load,
		requests: (load.ratePerSecond ?? 1) * longestLoadSeconds,
		concurrency: 1,
	};
	const argv = [process.execPath, "--no-warnings", program, JSON.stringify(request)];
	const child = await lab.spawnIn(place, argv, { stdio: ["pipe", "pipe", "pipe"] });
	const report = outputOf(child).then((text) => read(JSON.parse(text.slice(text.indexOf("{")))));
	// Whoever starts it may fail before it asks for the report.
	report.catch(() => {});
	await Promise.race([begins(child), report]);
	return {
		stop: () => {
			child.stdin?.end();
			return report;
		},
	};
}

export function requestsOf({ startUs, outcomes, requests }: RequestLog): readonly SentRequest[] {
	return requests.map(([dueMs, endMs, outcome]) => ({
		dueUs: startUs + dueMs * 1000,
		endUs: startUs + endMs * 1000,
		outcome: outcomes[outcome] ?? "unknown",
	}));
}

/** With its first output. */
function saysSo(child: ChildProcess): Promise<void> {
	return new Promise((resolve) => child.stdout?.once("data", () => resolve()));
}

function outputOf(child: ChildProcess): Promise<string> {
	let stdout = "";
	let stderr = "";
	child.stdout?.setEncoding("utf8").on("data", (text: string) => {
		stdout += text;
	});
	child.stderr?.setEncoding("utf8").on("data", (text: string) => {
		stderr += text;
	});
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code) => {
			if (code === 0 && stdout !== "") resolve(stdout);
			else reject(new Error(`the sender failed: ${stderr.trim().split("\n").slice(-3).join("; ")}`));
		});
	});
}
