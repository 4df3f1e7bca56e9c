// Runs one short system program (nft, ip, nsenter) to its end. In: program, arguments, text for its input. Out: its exit
// code and texts. Not for hot paths: a start costs some 5 ms.

import { spawn } from "node:child_process";

export interface CommandResult {
	/** Exit code; 127 when the program is not there, 124 when it ran out of time. */
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
	/** It could not be started: the code says nothing of its own. */
	readonly notStarted?: true;
}

export interface CommandOptions {
	readonly input?: string;
	/** Default 10 s; then the program is killed. Infinity: it may take as long as it does. */
	readonly timeoutMs?: number;
	/** Tells the program to stop, by SIGINT; it may take its time, and says how it ended. */
	readonly interrupt?: AbortSignal;
}

export function runCommand(
	file: string,
	args: readonly string[],
	options: CommandOptions = {},
): Promise<CommandResult> {
	return new Promise((resolve) => {
		const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
		let stdout = "";
		let stderr = "";
		let timedOut = false;
		const end = (): void => {
			timedOut = true;
			child.kill("SIGKILL");
		};
		const { interrupt, timeoutMs = 10_000 } = options;
		const stop = (): void => void child.kill("SIGINT");
		interrupt?.addEventListener("abort", stop);
		if (interrupt?.aborted) stop();
		child.once("close", () => interrupt?.removeEventListener("abort", stop));
		const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(end, timeoutMs);
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		// A program that ends before it has read its input is judged by its exit code.
		child.stdin.on("error", () => {});
		child.on("error", (error) => {
			clearTimeout(timer);
			resolve({ code: 127, stdout, stderr: `${file}: ${error.message}`, notStarted: true });
		});
		child.on("close", (code) => {
			clearTimeout(timer);
			resolve({ code: timedOut ? 124 : (code ?? 1), stdout, stderr: timedOut ? `${file}: out of time` : stderr });
		});
		child.stdin.end(options.input ?? "");
	});
}
