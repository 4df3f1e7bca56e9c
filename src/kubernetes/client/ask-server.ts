import type { ApiMethod, KubernetesClient, RequestOptions } from "./kubernetes-client.ts";
import { Refused } from "./refused.ts";

/** The body of the API server's answer. Rejects with Refused where it says no, with TransportError where there is no answer. */
export async function askServer(
	client: Pick<KubernetesClient, "request">,
	method: ApiMethod,
	path: string,
	options: RequestOptions = {},
): Promise<unknown> {
	const answer = await client.request(method, path, options);
	if (answer.status >= 300) throw Refused.of(answer);
	return answer.body;
}
