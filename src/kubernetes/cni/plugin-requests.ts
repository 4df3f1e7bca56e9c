// The agent's end of the CNI plug-in. In: files that the plug-in puts into a directory, one for each pod whose sandbox is made.
// Out: a question for whoever knows the pods, and the answer through the plug-in's pipe. Contract: plugin-script.ts.

import {
	closeSync,
	constants,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	watch,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

/** A sandbox that is being made: its network is there, its containers are not. */
export interface NewSandbox {
	readonly uid: string;
	readonly namespace: string;
	readonly name: string;
	/** Path of the network namespace. */
	readonly netns: string;
	/** Of the interfaces that the plug-ins before have made. */
	readonly ips: readonly string[];
}

export interface PluginRequestsDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Undefined: the pod may start. Otherwise why it may not yet; the runtime tries again. */
	readonly prepare: (sandbox: NewSandbox) => Promise<string | undefined>;
}

const lookMs = 1_000;
const unwatchedLookMs = 50;

export class PluginRequests {
	readonly #directory: string;
	readonly #deps: PluginRequestsDeps;
	readonly #asked = new Set<string>();
	#everyMs = lookMs;
	#stopWatching: Cancel = () => {};
	#cancelLook: Cancel = () => {};

	constructor(directory: string, deps: PluginRequestsDeps) {
		this.#directory = directory;
		this.#deps = deps;
	}

	open(): void {
		mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
		try {
			const watcher = watch(this.#directory, () => this.#look());
			watcher.on("error", (error) => this.#unwatched(error));
			this.#stopWatching = () => watcher.close();
		} catch (error) {
			this.#unwatched(error);
		}
		this.#lookAgain();
	}

	close(): void {
		this.#stopWatching();
		this.#cancelLook();
	}

	/** A user may have only so many watches (fs.inotify.max_user_instances), and the node's other programs are root's too. */
	#unwatched(error: unknown): void {
		this.#everyMs = unwatchedLookMs;
		this.#deps.log.warn({ because: String(error) }, "CNI requests are not told of; they are looked for");
	}

	#lookAgain(): void {
		this.#look();
		this.#cancelLook = this.#deps.clock.after(this.#everyMs, () => this.#lookAgain());
	}

	#look(): void {
		for (const file of readdirSync(this.#directory))
			if (file.endsWith(".request") && !this.#asked.has(file)) {
				this.#asked.add(file);
				void this.#answer(file).finally(() => this.#asked.delete(file));
			}
	}

	async #answer(file: string): Promise<void> {
		const path = join(this.#directory, file);
		const sandbox = readSandbox(path);
		const { log, prepare } = this.#deps;
		const because = sandbox
			? await prepare(sandbox).catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
			: "the request cannot be read";
		if (because !== undefined) log.warn({ sandbox, because }, "a pod may not start yet");
		this.#write(path.replace(/request$/, "answer"), because ?? "ok");
		rmSync(path, { force: true });
	}

	/** One that has waited for too long is not there any more. */
	#write(pipe: string, answer: string): void {
		try {
			const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
			writeSync(fd, `${answer.replaceAll(/[\n"\\]/g, " ").slice(0, 500)}\n`);
			closeSync(fd);
		} catch (error) {
			this.#deps.log.info({ pipe, because: String(error) }, "the CNI plug-in did not wait for its answer");
		}
	}
}

function readSandbox(path: string): NewSandbox | undefined {
	try {
		const [netns = "", args = "", ...rest] = readFileSync(path, "utf8").split("\n");
		const argument = (name: string): string => new RegExp(`(?:^|;)${name}=([^;]*)`).exec(args)?.[1] ?? "";
		const { prevResult } = JSON.parse(rest.join("")) as { prevResult?: { ips?: readonly { address?: unknown }[] } };
		const ips = (prevResult?.ips ?? []).flatMap(({ address }) =>
			typeof address === "string" ? [address.replace(/\/\d+$/, "")] : [],
		);
		const named = ["K8S_POD_UID", "K8S_POD_NAMESPACE", "K8S_POD_NAME"].map(argument);
		const [uid = "", namespace = "", name = ""] = named;
		return namespace === "" || name === "" || netns === "" ? undefined : { uid, namespace, name, netns, ips };
	} catch {
		return undefined;
	}
}
