// A whole list, page by page. In: a path. Out: each object as it comes, and the version from which a watch goes on.

import type { RawObject } from "./api-object.ts";
import type { KubernetesClient, RequestOptions } from "./kubernetes-client.ts";
import { Refused } from "./refused.ts";
import { type ApiResource, apiVersionOf } from "./resource-path.ts";

const pageSize = 500;

interface ListBody {
	readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
	readonly items: readonly RawObject[] | null;
}

/** Rejects with Refused when the server says no, also in the midst of the pages: then nothing of it counts. */
export async function listObjects(
	client: KubernetesClient,
	resource: ApiResource,
	path: string,
	options: RequestOptions,
	onObject: (raw: RawObject) => void,
): Promise<string> {
	const type = { apiVersion: apiVersionOf(resource), kind: resource.kind };
	let token: string | undefined;
	for (;;) {
		const query = { ...options.query, limit: pageSize, continue: token };
		const answer = await client.request("GET", path, { ...options, query });
		if (answer.status !== 200) throw Refused.of(answer);
		const { items, metadata } = answer.body as ListBody;
		for (const item of items ?? []) onObject({ ...item, ...type });
		token = metadata.continue || undefined;
		if (token === undefined) return metadata.resourceVersion;
	}
}
