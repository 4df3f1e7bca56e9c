// A connected proxy as the control plane keeps it: what it may know, what it is given, and why that is not the newest.

import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import type { ProxyView } from "../../model/view.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import type { ProxyConfig, ResourcePart } from "../../xds/resource.ts";
import type { HeldPush } from "./push-guard.ts";

/** Why a proxy does not get its newest configuration. */
export type Withheld =
	| { readonly because: "generation" | "dangling"; readonly message: string }
	| { readonly because: "held"; readonly message: string; readonly held: HeldPush };

export interface ProxyEntry {
	readonly proxy: MeshProxy;
	readonly view: ProxyView | undefined;
	/** What the proxy is given: the last good configuration. */
	readonly published: ProxyConfig | undefined;
	readonly withheld: Withheld | undefined;
}

/** The same object for an unchanged proxy keeps what was generated for it. */
export function isSameProxy(a: MeshProxy, b: MeshProxy): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

/** Only proxies with a workload certificate have one; the same object when nothing changes. */
export function withTrustBundle(
	bundle: ResourcePart | undefined,
	proxy: MeshProxy,
	config: ProxyConfig | undefined,
): ProxyConfig | undefined {
	const part = proxy.workloadCertificate ? bundle : undefined;
	if (!config || !part || config.get(trustBundleTypeUrl)?.parts[0] === part) return config;
	return new Map([...config, [trustBundleTypeUrl, { typeUrl: trustBundleTypeUrl, parts: [part] }]]);
}

export function countProxies(metrics: ControlMetrics, proxies: Iterable<ProxyEntry>): void {
	const entries = [...proxies];
	metrics.connected.set(entries.length);
	for (const because of ["generation", "dangling", "held"] as const)
		metrics.withheld.set(entries.filter((entry) => entry.withheld?.because === because).length, { because });
}
