// A program that watches or answers in a process of its own, driven by lines: started, told to begin, told to end, and what it
// says in the end.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface WatchingProcess {
	readonly pid: number;
	tell(line: string): void;
	/** The next line it prints. Rejects when it has ended. */
	nextLine(): Promise<string>;
	end(): void;
}

/** `netns`: `/run/netns/NAME`; undefined: where this process is. */
export function startWatching(
	program: "udp-echo" | "udp-prober" | "owner-watcher" | "http-service",
	netns: string | undefined,
	args: readonly string[],
): WatchingProcess {
	const file = fileURLToPath(new URL(`./${program}.ts`, import.meta.url));
	// As the process of virtual IPs itself: no waiting for V8's helper threads, which have an ordinary priority.
	const command = [process.execPath, "--no-warnings", "--single-threaded", file, ...args];
	const [name = "", ...rest] = netns === undefined ? command : ["nsenter", `--net=${netns}`, "--", ...command];
	return watchingProcess(spawn(name, rest, { stdio: ["pipe", "pipe", "inherit"] }), program);
}

export function watchingProcess(child: ChildProcess, what: string): WatchingProcess {
	const lines: string[] = [];
	let waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void } | undefined;
	let text = "";
	let hasEnded = false;
	child.stdin?.on("error", () => {});
	child.stdout?.setEncoding("utf8").on("data", (part: string) => {
		text += part;
		const parts = text.split("\n");
		text = parts.pop() ?? "";
		lines.push(...parts);
		if (waiting && lines.length > 0) {
			waiting.resolve(lines.shift() ?? "");
			waiting = undefined;
		}
	});
	child.once("close", () => {
		hasEnded = true;
		waiting?.reject(new Error(`${what} has ended`));
	});
	return {
		pid: child.pid ?? 0,
		tell: (line) => {
			child.stdin?.write(`${line}\n`);
		},
		nextLine: () => {
			const line = lines.shift();
			if (line !== undefined) return Promise.resolve(line);
			if (hasEnded) return Promise.reject(new Error(`${what} has ended`));
			return new Promise((resolve, reject) => {
				waiting = { resolve, reject };
			});
		},
		end: () => {
			child.kill("SIGKILL");
		},
	};
}
