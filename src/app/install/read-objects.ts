// Lists and objects of the API server, for looking only: what is not there, or may not be read, is none.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";

export interface Named {
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
	};
}

/** Undefined: it is not there. */
export async function objectAt<Body>(client: KubernetesClient, path: string): Promise<Body | undefined> {
	const { body, status } = await client.request("GET", path);
	return status === 200 ? (body as Body) : undefined;
}

/** `labels`: a selector. All pages. */
export async function listAt<Item>(client: KubernetesClient, path: string, labels?: string): Promise<readonly Item[]> {
	const items: Item[] = [];
	let token: string | undefined;
	do {
		const query = { limit: 500, continue: token, labelSelector: labels };
		const { body, status } = await client.request("GET", path, { query });
		if (status !== 200) return items;
		const page = body as { items?: readonly Item[] | null; metadata?: { continue?: string } };
		items.push(...(page.items ?? []));
		token = page.metadata?.continue || undefined;
	} while (token !== undefined);
	return items;
}
