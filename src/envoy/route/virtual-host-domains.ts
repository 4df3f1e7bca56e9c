// A service -> the Host headers that clients in a namespace may use for it. Ports are left out: the tables ignore them.

import type { MeshService } from "../../model/service.ts";

export interface HostDomains {
	readonly domains: readonly string[];
	/** Those of `domains` that are short forms: they give way to a service whose full name is the same. */
	readonly short: ReadonlySet<string>;
}

interface Remembered extends HostDomains {
	readonly namespace: string;
	readonly domainSuffix: string;
}

const remembered = new WeakMap<MeshService, Remembered>();

/** `reviews`, `reviews.default.svc`, `reviews.default`, the full name and the addresses; `*.` forms for headless ones. */
export function hostDomains(service: MeshService, namespace: string, domainSuffix: string): HostDomains {
	const known = remembered.get(service);
	if (known?.namespace === namespace && known.domainSuffix === domainSuffix) return known;
	const made = { ...domainsOf(service, namespace, domainSuffix), namespace, domainSuffix };
	remembered.set(service, made);
	return made;
}

function domainsOf(service: MeshService, namespace: string, domainSuffix: string): HostDomains {
	const shortForms = shortNames(service.hostname, namespace, domainSuffix);
	const names = [service.hostname, ...shortForms];
	const short = new Set(shortForms);
	const podNames = service.headless ? names.map((name) => `*.${name}`) : [];
	const addresses = service.addresses.flatMap((address) => {
		const [ip = "", length] = address.split("/");
		const isRange = length !== undefined && length !== (ip.includes(":") ? "128" : "32");
		return isRange || ip === "" || ip === "0.0.0.0" || ip === "::" ? [] : ip.includes(":") ? `[${ip}]` : ip;
	});
	return { domains: [...names, ...podNames, ...addresses], short };
}

function shortNames(hostname: string, namespace: string, domainSuffix: string): readonly string[] {
	const suffix = `.svc.${domainSuffix}`;
	if (!hostname.endsWith(suffix)) return [];
	const nameAndNamespace = hostname.slice(0, -suffix.length);
	const dot = nameAndNamespace.indexOf(".");
	if (dot === -1) return [];
	const own = nameAndNamespace.slice(dot + 1) === namespace;
	return [...(own ? [nameAndNamespace.slice(0, dot)] : []), `${nameAndNamespace}.svc`, nameAndNamespace];
}

/** A domain may stand only once in a table: the first host that claims it keeps it. */
export class ClaimedDomains {
	readonly #taken = new Set<string>();
	readonly #fullNames: ReadonlySet<string>;

	constructor(fullNames: ReadonlySet<string>) {
		this.#fullNames = fullNames;
		// The table's last resort.
		this.#taken.add("*");
	}

	claim({ domains, short }: HostDomains): readonly string[] {
		return domains.filter((domain) => {
			const key = domain.toLowerCase();
			if (this.#taken.has(key) || (short.has(domain) && this.#fullNames.has(domain))) return false;
			this.#taken.add(key);
			return true;
		});
	}
}
