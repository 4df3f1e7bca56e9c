// The TLS secrets that a proxy's servers and DestinationRules name, read from Secrets of the proxy's own namespace: no other
// namespace's keys ever reach it. Names and keys of the data are Istio's.

import type { GatewayView, SecretView, ServiceView } from "../model/view.ts";
import type { ServerTls } from "../resources/kinds/networking.ts";
import { type ObjectStore, objectNamed } from "./object-store.ts";

/** Suffix of a Secret that holds the roots for a credential, and of its name in SDS. */
const rootSuffix = "-cacert";

/** Sorted by name. Secrets that do not exist are left out. */
export function secretViewsFor(
	objects: ObjectStore,
	namespace: string,
	credentialNames: Iterable<string>,
): readonly SecretView[] {
	const found = new Map<string, SecretView>();
	for (const credential of credentialNames) {
		const name = credential.replace(/^kubernetes:\/\//, "");
		for (const secret of [name, `${name}${rootSuffix}`]) {
			const data = objectNamed(objects, "Secret", namespace, secret)?.spec.data;
			if (data !== undefined) found.set(secret, secretView(`kubernetes://${secret}`, data));
		}
	}
	return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function credentialsOfGateway(view: Pick<GatewayView, "listeners">): readonly string[] {
	return view.listeners.flatMap((listener) =>
		listener.servers.flatMap(({ server }) => credentialsOfServer(server.tls)),
	);
}

/** Credentials of DestinationRules: what the proxy shows to, or asks of, the services it calls. */
export function credentialsOfServices(services: readonly ServiceView[]): readonly string[] {
	const known = rememberedCredentials.get(services);
	if (known !== undefined) return known;
	const found = new Set<string>();
	for (const { destination } of services) {
		if (destination === undefined) continue;
		for (const policy of [destination.trafficPolicy, ...destination.subsets.map((subset) => subset.trafficPolicy)])
			for (const part of [policy, ...(policy?.portLevelSettings ?? [])])
				if (part?.tls?.credentialName) found.add(part.tls.credentialName);
	}
	const credentials = [...found];
	rememberedCredentials.set(services, credentials);
	return credentials;
}

const rememberedCredentials = new WeakMap<readonly ServiceView[], readonly string[]>();

function credentialsOfServer(tls: ServerTls | undefined): readonly string[] {
	const names = [tls?.credentialName, ...(tls?.credentialNames ?? []), tls?.caCertCredentialName];
	return names.filter((name): name is string => name !== undefined && name !== "");
}

function secretView(name: string, data: Readonly<Record<string, string>>): SecretView {
	const certificateChain = data["tls.crt"] ?? data.cert;
	const privateKey = data["tls.key"] ?? data.key;
	const caCertificate = data["ca.crt"] ?? data.cacert;
	return {
		name,
		...(certificateChain === undefined ? {} : { certificateChain }),
		...(privateKey === undefined ? {} : { privateKey }),
		...(caCertificate === undefined ? {} : { caCertificate }),
	};
}
