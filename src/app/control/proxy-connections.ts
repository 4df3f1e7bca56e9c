// Proxies as they connect to the xDS servers and leave them -> the control plane's proxies.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { proxyFromNode } from "../../snapshot/proxy-from-node.ts";
import type { ConfigSource, Peer } from "../../xds/wire/config-source.ts";
import type { Admission } from "./admit-proxy.ts";
import type { ControlPlane } from "./control-plane.ts";

export type Admit = (proxy: MeshProxy, peer: Peer) => Admission;
export type EndOf = NonNullable<ConfigSource["endOf"]>;

/** One for each server; a proxy is gone when no server holds a stream of it. */
export function configSource(
	control: ControlPlane,
	holders: Map<string, number>,
	admit: Admit,
	endOf?: EndOf,
): ConfigSource {
	const own = new Set<string>();
	return {
		connect(node, peer) {
			const { region, zone, subZone } = node.locality;
			const made = proxyFromNode({
				id: node.id,
				metadata: node.metadata,
				locality: { region, zone, subzone: subZone },
			});
			if (!made.ok) return { ok: false, grpcStatus: 3, because: made.because };
			const admission = admit(made.proxy, peer);
			if (!admission.ok) return admission;
			const proxyId = made.proxy.id;
			if (!own.has(proxyId)) holders.set(proxyId, (holders.get(proxyId) ?? 0) + 1);
			own.add(proxyId);
			control.connect(made.proxy);
			return { ok: true, proxyId };
		},
		...(endOf ? { endOf } : {}),
		configFor: (proxyId) => control.configFor(proxyId),
		disconnected(proxyId) {
			own.delete(proxyId);
			const left = (holders.get(proxyId) ?? 1) - 1;
			if (left > 0) holders.set(proxyId, left);
			else {
				holders.delete(proxyId);
				control.disconnect(proxyId);
			}
		},
	};
}
