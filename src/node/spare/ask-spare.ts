// What the spare Envoy says of its listeners, asked over its admin socket.

import type { SpareListener } from "../../hotswitch/spare/spare-serving.ts";
import type { EnvoyAdmin } from "../envoy-admin.ts";

interface DumpedListener {
	readonly name?: string;
	readonly active_state?: object;
	readonly warming_state?: object;
	readonly error_state?: { readonly details?: string };
}

const mask = ["name", "active_state.last_updated", "warming_state.last_updated", "error_state.details"].join(",");

/** Undefined when it does not answer. */
export async function askSpareListeners(admin: EnvoyAdmin): Promise<readonly SpareListener[] | undefined> {
	const answer = await admin.get(`/config_dump?resource=dynamic_listeners&mask=${encodeURIComponent(mask)}`);
	if (answer?.status !== 200) return undefined;
	const { configs = [] } = JSON.parse(answer.body) as { readonly configs?: readonly DumpedListener[] };
	return configs.map(({ name = "", active_state, warming_state, error_state }) => ({
		name,
		isActive: active_state !== undefined,
		isWarming: warming_state !== undefined,
		...(error_state ? { error: error_state.details ?? "it does not say why" } : {}),
	}));
}
