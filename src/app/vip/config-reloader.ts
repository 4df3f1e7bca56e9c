// Reads a configuration again and puts it into force, one after the other. A file that brings new errors changes nothing, and its
// reason stays in the status until a good one comes.

import type { Log } from "../../runtime/log.ts";
import type { VipConfig } from "../../vip/vip-config.ts";
import type { LoadedConfig } from "./load-vip-config.ts";
import type { Answer } from "./planned-moves.ts";

export interface ConfigReloaderDeps {
	readonly load: () => Promise<LoadedConfig>;
	readonly apply: (config: VipConfig) => Promise<void>;
	readonly log: Log;
	/** What has errors was left out by whoever made it: the rest is put into force. Default: new errors refuse it all. */
	readonly takesErrors?: boolean;
}

export class ConfigReloader {
	/** Why the last change was refused; undefined: what the files say is in force. */
	problem: string | undefined;
	/** Of the cluster that the configuration is from; undefined: it can be asked, or there is none. */
	clusterStale: { readonly since: string; readonly because: string } | undefined;
	readonly #deps: ConfigReloaderDeps;
	#errors: readonly string[];
	#config: string;
	#running: Promise<unknown> = Promise.resolve();

	constructor(loaded: Extract<LoadedConfig, { readonly ok: true }>, deps: ConfigReloaderDeps) {
		this.#deps = deps;
		this.#errors = errorsOf(loaded);
		this.#config = JSON.stringify(loaded.config);
		this.clusterStale = loaded.stale;
	}

	/** Errors of the files in force: what they say there is not done. */
	get leftOut(): readonly string[] {
		return this.#errors;
	}

	reload(): Promise<Answer> {
		const next = this.#running.then(() => this.#reload());
		this.#running = next.catch(() => undefined);
		return next;
	}

	async #reload(): Promise<Answer> {
		const { load, apply, log, takesErrors = false } = this.#deps;
		const loaded = await load();
		const errors = errorsOf(loaded);
		const fresh = errors.filter((error) => !this.#errors.includes(error));
		if (!loaded.ok || (fresh.length > 0 && !takesErrors)) {
			this.problem = (fresh.length > 0 ? fresh : errors).join("; ");
			log.error({ because: this.problem }, "the changed configuration is refused; the one before stays in force");
			return { ok: false, because: this.problem };
		}
		this.#errors = errors;
		this.problem = undefined;
		this.clusterStale = loaded.stale;
		const config = JSON.stringify(loaded.config);
		if (config === this.#config) return { ok: true, message: "nothing has changed" };
		await apply(loaded.config);
		this.#config = config;
		const instances = loaded.config.instances.length;
		log.info({ instances }, "configuration read again");
		return { ok: true, message: `${instances} virtual ${instances === 1 ? "router" : "routers"}` };
	}
}

/** Each as one line; lines of the file are left out, so that one more above does not make an old error new. */
function errorsOf({ problems }: LoadedConfig): readonly string[] {
	return problems
		.filter(({ severity }) => severity === "error")
		.map(({ origin, resource, path, message }) =>
			[origin.file, resource, path, message].filter((part) => part !== "").join(": "),
		);
}
