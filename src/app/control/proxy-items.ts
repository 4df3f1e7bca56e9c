// The connected proxies as the API shows them, in the words of `istioctl proxy-status`.

import { closedInbound } from "../../envoy/listener/inbound-mode.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import type { SessionStatus } from "../../xds/wire/config-source.ts";
import type { ProxyItem, ProxyTypeItem } from "../api/api-types.ts";
import type { ProxyEntry } from "./proxy-entry.ts";

const shortNames: ReadonlyMap<TypeUrl, string> = new Map([
	[typeUrls.cluster, "CDS"],
	[typeUrls.listener, "LDS"],
	[typeUrls.endpoints, "EDS"],
	[typeUrls.route, "RDS"],
	[typeUrls.secret, "SDS"],
	[typeUrls.nameTable, "NDS"],
]);

/** `CDS`; the last word of a type that has no such name. */
export function shortTypeName(typeUrl: TypeUrl): string {
	return shortNames.get(typeUrl) ?? typeUrl.slice(typeUrl.lastIndexOf(".") + 1);
}

/** `wallMs` translates the sessions' monotonic times. */
export function proxyItems(
	entries: Iterable<ProxyEntry>,
	sessions: readonly SessionStatus[],
	control: string,
	wallMs: (monotonicMs: number) => number,
): readonly ProxyItem[] {
	const byProxy = Map.groupBy(sessions, (session) => session.proxyId);
	const items = [...entries].map((entry): ProxyItem => {
		const own = byProxy.get(entry.proxy.id) ?? [];
		const { withheld, proxy, view } = entry;
		const closed = view?.inbound && closedInbound(view.inbound, proxy.workloadCertificate);
		return {
			id: proxy.id,
			name: `${proxy.name}.${proxy.namespace}`,
			cluster: proxy.clusterId,
			type: proxy.type,
			version: own[0]?.userAgent ?? "",
			control,
			connectedMs: Math.min(...own.map((session) => session.connectedAtMs)),
			types: typeItems(entry, own, wallMs),
			...(withheld ? { withheld: { because: withheld.because, message: withheld.message } } : {}),
			...(closed ? { closed } : {}),
			configBytes: bytesOf(entry),
		};
	});
	return items.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function typeItems(
	entry: ProxyEntry,
	sessions: readonly SessionStatus[],
	wallMs: (monotonicMs: number) => number,
): Readonly<Record<string, ProxyTypeItem>> {
	const items: Record<string, ProxyTypeItem> = {};
	for (const { typeUrl, sync, resources, error } of sessions.flatMap((session) => session.types)) {
		const type = shortTypeName(typeUrl);
		const rejection = error && {
			proxy: entry.proxy.id,
			type,
			names: error.names,
			message: error.message,
			atMs: wallMs(error.atMs),
		};
		items[type] = {
			sync: entry.withheld && sync === "SYNCED" ? "STALE" : sync,
			resources,
			...(rejection ? { rejection } : {}),
		};
	}
	return items;
}

const sizes = new WeakMap<object, number>();

function bytesOf(entry: ProxyEntry): number {
	let total = 0;
	for (const set of entry.published?.values() ?? []) {
		for (const part of set.parts) {
			let bytes = sizes.get(part);
			if (bytes === undefined) {
				bytes = 0;
				for (const resource of part.resources.values()) bytes += resource.any.length;
				sizes.set(part, bytes);
			}
			total += bytes;
		}
	}
	return total;
}
