// Keeps the CNI plug-in on its node: chained at the start and again whenever the list was written anew. In: directories. Out: log
// lines where something was done, or cannot be.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { installPlugin, type PluginDirectories } from "./install-plugin.ts";
import type { PluginPlaces } from "./plugin-script.ts";

const lookMs = 2_000;

export class KeptPlugin {
	readonly #directories: PluginDirectories;
	readonly #places: PluginPlaces;
	readonly #clock: Clock;
	readonly #log: Log;
	#because: string | undefined;
	#cancel: Cancel = () => {};

	constructor(
		directories: PluginDirectories,
		places: PluginPlaces,
		{ clock, log }: { readonly clock: Clock; readonly log: Log },
	) {
		this.#directories = directories;
		this.#places = places;
		this.#clock = clock;
		this.#log = log;
	}

	open(): void {
		const installed = installPlugin(this.#directories, this.#places);
		const because = installed.ok ? undefined : installed.because;
		if (installed.ok && installed.changed.length > 0)
			this.#log.info({ changed: installed.changed }, "CNI plug-in put in");
		if (because !== undefined && because !== this.#because) this.#log.error({ because }, "CNI plug-in not installed");
		this.#because = because;
		this.#cancel = this.#clock.after(lookMs, () => this.open());
	}

	/** It stays: pods that start meanwhile wait for the next agent. */
	close(): void {
		this.#cancel();
	}
}
