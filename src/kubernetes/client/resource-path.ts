// Paths of Kubernetes' REST API: which resource, where, and which part of it come in; the path to ask for goes out.

export interface ApiResource {
	/** Empty for the core group. */
	readonly group: string;
	readonly version: string;
	/** As it stands in paths: `endpointslices`. */
	readonly plural: string;
	readonly kind: string;
	readonly namespaced: boolean;
}

/** Of one object, or of all of them when there is no name; of all namespaces when there is no namespace. */
export function pathOf(resource: ApiResource, namespace?: string, name?: string, subresource?: string): string {
	const { group, namespaced, plural, version } = resource;
	const base = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
	const place = namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
	const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
	const part = subresource === undefined ? "" : `/${subresource}`;
	return `${base}${place}/${plural}${object}${part}`;
}

/** `apps/v1`, `v1` */
export function apiVersionOf({ group, version }: ApiResource): string {
	return group === "" ? version : `${group}/${version}`;
}

/** `virtualservices.networking.istio.io`: as CustomResourceDefinitions are named; `services` in the core group. */
export function resourceName({ group, plural }: ApiResource): string {
	return group === "" ? plural : `${plural}.${group}`;
}
