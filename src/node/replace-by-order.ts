// POST /v1/pods/UID/replace-proxy?why=[&wait=false]: another Envoy takes over from a pod's, with the program and the start configuration of now.
// In: the pod, the query. Out: when the other one has taken over (`wait=false`: that it was begun), or why the pod keeps its own.

import type { PodSupervisor } from "./pod-supervisor.ts";

interface Answered {
	readonly status: number;
	readonly body: object;
}

export async function replaceByOrder(
	supervisor: Pick<PodSupervisor, "replace" | "state" | "proxies">,
	query: URLSearchParams,
): Promise<Answered> {
	const refused = (status: number, because: string, hint: string): Answered => ({ status, body: { because, hint } });
	const why = query.get("why") ?? "";
	if (why === "") return refused(400, "why is missing", "say what it is for: ?why=TEXT");
	const outcome = supervisor.replace(why);
	if (!outcome) {
		const { phase } = supervisor.state;
		if (phase !== "ready") return refused(409, `its Envoy is ${phase}, not ready`, "GET /v1/pods tells when it is");
		return refused(409, `another handover is ${supervisor.proxies.handover.phase}`, "ask again when it is over");
	}
	if (query.get("wait") === "false") return { status: 202, body: supervisor.proxies.handover };
	const { ok, because } = (await outcome) ?? { ok: false, because: "the agent ends" };
	if (ok) return { status: 200, body: supervisor.proxies.handover };
	return refused(500, because, "the pod keeps its Envoy, and nothing was lost; see its log");
}
