// A snapshot and a proxy -> all that this proxy may know. Views that say the same are the same object: outbound views across
// proxies and snapshots, the others for the same proxy across snapshots.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { EndpointsView, ProxyView } from "../model/view.ts";
import { inboundViewFor } from "./inbound-view.ts";
import { outboundViewFor } from "./outbound-view.ts";
import { keepIdentity } from "./same-value.ts";
import type { Snapshot } from "./snapshot.ts";

export function viewFor(snapshot: Snapshot, proxy: MeshProxy): ProxyView {
	const previous = snapshot.memo.views.get(proxy);
	const parts: ProxyView = {
		outbound: outboundViewFor(snapshot, proxy),
		inbound: inboundViewFor(snapshot, proxy),
		endpoints: endpointsViewFor(snapshot, proxy, previous?.endpoints),
		secrets: [],
	};
	const view = previous !== undefined && sameParts(previous, parts) ? previous : parts;
	snapshot.memo.views.set(proxy, view);
	return view;
}

function sameParts(a: ProxyView, b: ProxyView): boolean {
	return (
		a.outbound === b.outbound &&
		a.inbound === b.inbound &&
		a.gateway === b.gateway &&
		a.endpoints === b.endpoints &&
		a.secrets === b.secrets
	);
}

function endpointsViewFor(snapshot: Snapshot, proxy: MeshProxy, previous: EndpointsView | undefined): EndpointsView {
	const { locality, network, clusterId } = proxy;
	const byService = snapshot.endpoints.byService;
	if (previous !== undefined && previous.byService === byService) return previous;
	return { byService, locality: keepIdentity(previous?.locality, locality), network, clusterId };
}
