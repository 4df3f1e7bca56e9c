// POST /v1/pods/UID/bypass?by=&why=&forSeconds= and POST /v1/pods/UID/restore?by=: an operator takes a pod's connections off its
// sidecar, and gives them back. In: the pod, the query. Out: the pod's status, or why it cannot be.

import type { PodSupervisor } from "./pod-supervisor.ts";

const maxBypassSeconds = 30 * 86_400;

export type ByHand =
	| { readonly ok: true }
	| { readonly ok: false; readonly status: number; readonly body: { readonly because: string; readonly hint: string } };

export function switchByHand(
	{ hotSwitch }: Pick<PodSupervisor, "hotSwitch">,
	verb: "bypass" | "restore",
	query: URLSearchParams,
): ByHand {
	const refused = (status: number, because: string, hint: string): ByHand => ({
		ok: false,
		status,
		body: { because, hint },
	});
	if (!hotSwitch)
		return refused(
			409,
			"this proxy has no hot-switch",
			"only sidecars with an interceptionMode other than NONE have one",
		);
	const by = query.get("by") ?? "";
	if (by === "") return refused(400, "by is missing", "say who does it: ?by=NAME");
	if (verb === "restore") {
		hotSwitch.restore(by);
		return { ok: true };
	}
	const why = query.get("why") ?? "";
	if (why === "") return refused(400, "why is missing", "say what it is for: ?why=TEXT");
	const text = query.get("forSeconds");
	const forSeconds = text === null ? undefined : Number(text);
	if (forSeconds !== undefined && !(text !== "" && forSeconds > 0 && forSeconds <= maxBypassSeconds))
		return refused(400, "forSeconds is not a number of seconds", `1 to ${maxBypassSeconds}, or leave it out`);
	const outcome = hotSwitch.requestBypass(by, why, forSeconds === undefined ? undefined : forSeconds * 1000);
	if (outcome.ok) return { ok: true };
	return refused(409, outcome.because, "keepmesh needs a spare for it, or a policy that permits plaintext");
}
