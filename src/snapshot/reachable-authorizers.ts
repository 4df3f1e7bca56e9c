// The mesh's settings, and the services there are -> the settings without the external authorisers that no service stands
// for. A proxy has no cluster for those: what their policies meet is refused, also where the provider says `failOpen`.

import type { MeshSettings } from "../model/mesh-settings.ts";
import type { AuthorizationProvider } from "../model/security.ts";
import { keepIdentity } from "./same-value.ts";
import type { ServiceRegistry } from "./service-registry.ts";

/** `mesh` itself when all are there, `previous` when it says the same. */
export function withReachableAuthorizers(
	mesh: MeshSettings,
	{ byHost }: Pick<ServiceRegistry, "byHost">,
	previous?: MeshSettings,
): MeshSettings {
	const isReachable = ({ host, namespace, port }: AuthorizationProvider): boolean =>
		(byHost.get(host) ?? []).some(
			(service) =>
				(namespace === undefined || namespace === service.namespace) &&
				service.ports.some(({ number }) => number === port),
		);
	const authorizationProviders = mesh.authorizationProviders.filter(isReachable);
	if (authorizationProviders.length === mesh.authorizationProviders.length) return mesh;
	return keepIdentity(previous, { ...mesh, authorizationProviders });
}
