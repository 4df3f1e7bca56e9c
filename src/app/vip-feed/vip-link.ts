// The vip process of this node by its socket, for as long as there is one: the roles of all virtual routers, and that it is to read
// again what was prepared for it.

import { type ClientRequest, request } from "node:http";
import type { Cancel, Clock } from "../../runtime/clock.ts";

const retryMs = 200;

export interface VipLink {
	readonly roles: ReadonlyMap<string, string>;
	/** Reads the prepared file again; it does so as well whenever it is found anew. */
	reload(): void;
	close(): void;
}

/** When the process ends nobody has a role; it is asked again until it answers. */
export function openVipLink(socketPath: string, clock: Clock, onChange: () => void): VipLink {
	const roles = new Map<string, string>();
	let asked: ClientRequest | undefined;
	let cancel: Cancel = () => {};
	let closed = false;
	const reload = (): void => {
		// One that does not answer reads the file when it starts.
		const told = request({ socketPath, method: "POST", path: "/reload" }, (response) => response.resume());
		told.on("error", () => undefined);
		told.end();
	};
	const again = (): void => {
		if (closed) return;
		if (roles.size > 0) {
			roles.clear();
			onChange();
		}
		cancel();
		cancel = clock.after(retryMs, ask);
	};
	const ask = (): void => {
		asked = request({ socketPath, path: "/follow" }, (response) => {
			reload();
			let rest = "";
			response.setEncoding("utf8").on("data", (text: string) => {
				const lines = (rest + text).split("\n");
				rest = lines.pop() ?? "";
				for (const line of lines) {
					const { name, role } = JSON.parse(line) as { readonly name: string; readonly role: string };
					if (role === "STOP") roles.delete(name);
					else roles.set(name, role);
				}
				if (lines.length > 0) onChange();
			});
			response.on("close", again);
		});
		asked.on("error", again);
		asked.end();
	};
	ask();
	return {
		roles,
		reload,
		close: () => {
			closed = true;
			cancel();
			asked?.destroy();
		},
	};
}
