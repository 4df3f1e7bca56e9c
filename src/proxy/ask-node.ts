// The node of a pod, asked from inside the pod: a path goes to the socket that the node's agent keeps there, and is asked again
// until the answer is 200. Nobody there, or not yet, is no failure: the agent may be starting, or being replaced.

import { request } from "node:http";

export interface AskNodeOptions {
	/** `@NAME`: an abstract Unix socket of the pod's network namespace. Else the path of one. */
	readonly socket: string;
	readonly path: string;
	readonly say: (line: string) => void;
	/** Asked from time to time; `false`: it gives up. */
	readonly isWanted?: () => boolean;
}

/** Twice until it is this. */
const firstRetryMs = 20;
const longestRetryMs = 500;
const notYetRetryMs = 200;
/** The agent holds an answer back for 30 s at most. */
const answerTimeoutMs = 40_000;
const maxAnswerBytes = 16 * 1024 * 1024;
const firstWordMs = 2000;
const nextWordMs = 30_000;

/** Nothing to wait for any more. */
export const isOver = 410;

/** Resolves to the body of the first answer that is a 200; rejects with the word of one that is final. */
export async function askNode({ isWanted, path, say, socket }: AskNodeOptions): Promise<string> {
	let retryMs = firstRetryMs;
	let because = "";
	let lastWord = "";
	const startMs = performance.now();
	let wordDueMs = startMs + firstWordMs;
	for (;;) {
		let waitMs = notYetRetryMs;
		try {
			const { body, status } = await askNodeOnce(socket, path);
			if (status === 200) return body;
			because = body.trim().split("\n")[0] || `the node's agent answered ${status}`;
			if (status === isOver) break;
			retryMs = firstRetryMs;
			if (because !== lastWord) wordDueMs = 0;
		} catch (error) {
			because = `the node's agent is not there (${socket}: ${(error as NodeJS.ErrnoException).code ?? error})`;
			waitMs = retryMs;
			retryMs = Math.min(longestRetryMs, retryMs * 2);
		}
		if (performance.now() >= wordDueMs) {
			say(`waits since ${Math.round((performance.now() - startMs) / 100) / 10} s: ${because}`);
			lastWord = because;
			wordDueMs = performance.now() + nextWordMs;
		}
		if (isWanted?.() === false) break;
		await new Promise((resolve) => setTimeout(resolve, waitMs));
	}
	throw new Error(because);
}

/** Rejects when nobody is there. */
export function askNodeOnce(socket: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
	const socketPath = socket.startsWith("@") ? `\0${socket.slice(1)}` : socket;
	return new Promise((resolve, reject) => {
		const asked = request({ socketPath, path, agent: false, timeout: answerTimeoutMs }, (response) => {
			const chunks: Buffer[] = [];
			let bytes = 0;
			response.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes > maxAnswerBytes) asked.destroy(new Error("too much"));
				else chunks.push(chunk);
			});
			response.on("error", reject);
			response.on("end", () =>
				resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
			);
		});
		asked.on("timeout", () => asked.destroy(new Error("no answer")));
		asked.on("error", reject);
		asked.end();
	});
}
