// What people type for a kind: its name in any case, plural, or kubectl's short name.

import type { Kind } from "../../resources/config-object.ts";
import { nearestName } from "../../resources/text/nearest-name.ts";
import { CliError, exitCodes } from "./cli-error.ts";

const shortNames: Readonly<Record<Kind, readonly string[]>> = {
	Namespace: ["ns"],
	Service: ["svc"],
	Pod: ["po"],
	Deployment: ["deploy"],
	ServiceAccount: ["sa"],
	EndpointSlice: [],
	Secret: [],
	VirtualService: ["vs"],
	DestinationRule: ["dr"],
	Gateway: ["gw"],
	ServiceEntry: ["se"],
	WorkloadEntry: ["we"],
	Sidecar: [],
	MeshConfig: ["mc"],
	VirtualIP: ["vip"],
	VirtualIPPool: ["vippool"],
	HotSwitch: ["hs"],
	RemoteCluster: ["rcl"],
	PeerAuthentication: ["pa"],
	RequestAuthentication: ["ra"],
	AuthorizationPolicy: ["ap"],
};

export const kindList = Object.keys(shortNames) as readonly Kind[];

export function pluralOf(kind: Kind): string {
	const lower = kind.toLowerCase();
	if (/[^aeiou]y$/.test(lower)) return `${lower.slice(0, -1)}ies`;
	return /(?:s|x|ch|sh)$/.test(lower) ? `${lower}es` : `${lower}s`;
}

/** Throws a usage error that names the nearest kind. */
export function kindNamed(typed: string): Kind {
	const lower = typed.toLowerCase().replace(/\..*$/, "");
	const found = kindList.find(
		(kind) => kind.toLowerCase() === lower || pluralOf(kind) === lower || shortNames[kind].includes(lower),
	);
	if (found) return found;
	const nearest = nearestName(
		lower,
		kindList.flatMap((kind) => [kind.toLowerCase(), ...shortNames[kind]]),
	);
	const kinds = kindList.map((kind) => kind.toLowerCase()).join(", ");
	throw new CliError(
		exitCodes.usage,
		`there is no kind "${typed}"${nearest ? `; did you mean "${nearest}"?` : `; there are ${kinds}`}`,
		`keepmesh get ${nearest ?? "virtualservices"}`,
	);
}
