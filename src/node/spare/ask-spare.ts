// What the spare Envoy says of its listeners, asked over its admin socket.

import type { SpareListener } from "../../hotswitch/spare/spare-serving.ts";
import type { EnvoyAdmin } from "../envoy-admin.ts";

interface DumpedListener {
	readonly name?: string;
	readonly active_state?: { readonly version_info?: string };
	readonly error_state?: { readonly details?: string };
}

const mask = ["name", "active_state.version_info", "error_state.details"].join(",");

/** Undefined when it does not answer. */
export async function askSpareListeners(admin: EnvoyAdmin): Promise<readonly SpareListener[] | undefined> {
	const answer = await admin.get(`/config_dump?resource=dynamic_listeners&mask=${encodeURIComponent(mask)}`);
	if (answer?.status !== 200) return undefined;
	const { configs = [] } = JSON.parse(answer.body) as { readonly configs?: readonly DumpedListener[] };
	return configs.map(({ name = "", active_state, error_state }) => ({
		name,
		...(active_state ? { activeVersion: active_state.version_info ?? "" } : {}),
		...(error_state ? { error: error_state.details ?? "it does not say why" } : {}),
	}));
}
