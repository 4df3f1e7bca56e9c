// One Secret at the API server, read and changed by compare-and-swap on its resourceVersion.

import type { RawObject } from "../client/api-object.ts";
import { secrets } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";
import type { SecretData } from "./secret-files.ts";

export interface SecretVersion {
	readonly uid: string;
	readonly resourceVersion: string;
	readonly data: SecretData;
}

export interface SecretPlace {
	readonly namespace: string;
	readonly name: string;
	/** Of a Secret that is made. */
	readonly type: string;
}

/** Undefined: there is none. Rejects with a Refused, or when there is no answer. */
export async function readSecret(
	client: KubernetesClient,
	{ name, namespace }: Pick<SecretPlace, "name" | "namespace">,
): Promise<SecretVersion | undefined> {
	const answer = await client.request("GET", pathOf(secrets, namespace, name));
	if (answer.status === 404) return undefined;
	if (answer.status >= 300) throw Refused.of(answer);
	return secretVersion(answer.body as RawObject);
}

/**
 * Makes the Secret, or changes the one that is `before`. Undefined: somebody else has made, changed or removed it meanwhile, and
 * nothing was written. Rejects with a Refused, or when there is no answer: then it may have been written.
 */
export async function writeSecret(
	client: KubernetesClient,
	{ name, namespace, type }: SecretPlace,
	before: SecretVersion | undefined,
	data: SecretData,
): Promise<SecretVersion | undefined> {
	const identity = before && { uid: before.uid, resourceVersion: before.resourceVersion };
	const labels = { "app.kubernetes.io/part-of": "keepmesh" };
	const body = { apiVersion: "v1", kind: "Secret", type, metadata: { namespace, name, labels, ...identity }, data };
	const answer = before
		? await client.request("PUT", pathOf(secrets, namespace, name), { body })
		: await client.request("POST", pathOf(secrets, namespace), { body });
	// A namespace that is missing answers the same as a Secret that somebody removed.
	if (answer.status === 409 || (before && answer.status === 404)) return undefined;
	if (answer.status >= 300) throw Refused.of(answer);
	return secretVersion(answer.body as RawObject);
}

/** What is held of the Secret of this name, and of no other. */
export function keepSecret(name: string): (raw: RawObject) => SecretVersion | undefined {
	return (raw) => (raw.metadata.name === name ? secretVersion(raw) : undefined);
}

function secretVersion({ data, metadata }: RawObject): SecretVersion {
	const { resourceVersion, uid } = metadata;
	return { uid, resourceVersion, data: (data ?? {}) as SecretData };
}

/** Versions of one object count upwards; what cannot be compared is taken for newer. */
export function isNewer(one: SecretVersion, than: SecretVersion): boolean {
	if (one.uid !== than.uid) return true;
	const [a, b] = [one.resourceVersion, than.resourceVersion];
	return a !== b && !(/^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b));
}
