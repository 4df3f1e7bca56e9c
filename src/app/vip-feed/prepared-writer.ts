// Writes down what the node is to hold, when it changed, and says what is wrong with it, once.

import { join } from "node:path";
import { writeFileAtomic } from "../../node/atomic-file.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Log } from "../../runtime/log.ts";
import { clusterConfName, type PreparedConfig, preparedFileName } from "../vip/prepared-config.ts";

export class PreparedWriter {
	readonly #state: string;
	readonly #log: Log;
	readonly #onWritten: () => void;
	#written: string | undefined;
	#conf: string | undefined;
	#told = new Set<string>();

	constructor(state: string, log: Log, onWritten: () => void) {
		this.#state = state;
		this.#log = log;
		this.#onWritten = onWritten;
	}

	/** `conf`: the keepalived.conf that it was made of, for those that read its virtual servers. */
	async write(prepared: PreparedConfig, conf: string | undefined): Promise<void> {
		this.#tell(prepared.problems);
		const text = JSON.stringify(prepared);
		if (conf !== undefined && conf !== this.#conf) await writeFileAtomic(join(this.#state, clusterConfName), conf);
		this.#conf = conf;
		if (text === this.#written) return;
		await writeFileAtomic(join(this.#state, preparedFileName), text, 0o600, { isDurable: true });
		this.#written = text;
		this.#onWritten();
	}

	#tell(problems: readonly Problem[]): void {
		const told = new Set<string>();
		for (const { severity, origin, resource, path, message, hint } of problems) {
			const facts = { resource: resource || origin.file, line: origin.line, path, because: message, hint };
			const text = JSON.stringify([severity, facts]);
			told.add(text);
			if (this.#told.has(text)) continue;
			this.#log[severity === "error" ? "error" : "warn"](facts, "a problem in what this node is to hold");
		}
		this.#told = told;
	}
}
