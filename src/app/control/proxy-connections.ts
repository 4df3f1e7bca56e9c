// Proxies as they connect to the xDS servers and leave them -> the control plane's proxies, each with what it may have.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { proxyFromNode } from "../../snapshot/proxy-from-node.ts";
import { type ProxyConfig, typeUrls } from "../../xds/resource.ts";
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
	const keyless = new Set<string>();
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
			const { labels = made.proxy.labels } = admission;
			const proxy = { ...made.proxy, labels };
			const proxyId = proxy.id;
			if (admission.keys) keyless.delete(proxyId);
			else keyless.add(proxyId);
			if (!own.has(proxyId)) holders.set(proxyId, (holders.get(proxyId) ?? 0) + 1);
			own.add(proxyId);
			control.connect(proxy);
			return { ok: true, proxyId };
		},
		...(endOf ? { endOf } : {}),
		configFor(proxyId) {
			const config = control.configFor(proxyId);
			return config && keyless.has(proxyId) ? withoutSecrets(config) : config;
		},
		disconnected(proxyId) {
			own.delete(proxyId);
			keyless.delete(proxyId);
			const left = (holders.get(proxyId) ?? 1) - 1;
			if (left > 0) holders.set(proxyId, left);
			else {
				holders.delete(proxyId);
				control.disconnect(proxyId);
			}
		},
	};
}

const stripped = new WeakMap<ProxyConfig, ProxyConfig>();

/** The same object for the same configuration. */
function withoutSecrets(config: ProxyConfig): ProxyConfig {
	const known = stripped.get(config);
	if (known) return known;
	const made = new Map(config).set(typeUrls.secret, { typeUrl: typeUrls.secret, parts: [] });
	stripped.set(config, made);
	return made;
}
