// An AdmissionReview of a pod -> the answer: the patch that puts its proxy in, nothing, or why it cannot be.

import {
	type AdmissionResponse,
	type AdmissionReview,
	allow,
	refuse,
} from "../kubernetes/admission/admission-review.ts";
import type { InjectConfig } from "./inject-config.ts";
import { injectPod } from "./inject-pod.ts";
import { planJsonPatch } from "./json-patch.ts";
import { asPod } from "./pod-shape.ts";

export interface ReviewedPod {
	readonly response: AdmissionResponse;
	readonly outcome: "injected" | "skipped" | "refused";
	/** For the log. */
	readonly because?: string;
}

export function injectReview({ request }: AdmissionReview, config: InjectConfig): ReviewedPod {
	const isPod = request.kind.group === "" && request.kind.kind === "Pod" && request.operation === "CREATE";
	if (!isPod) return { response: allow(request), outcome: "skipped", because: "it is not a pod that is made" };
	const pod = asPod(request.object);
	if (!pod) {
		const because = "the object is no pod: spec.containers is missing, or metadata is not made of texts";
		return { response: refuse(request, because), outcome: "refused", because };
	}
	const injection = injectPod(pod, request.namespace ?? pod.metadata?.namespace ?? "default", config);
	switch (injection.outcome) {
		case "skipped":
			return { response: allow(request), outcome: "skipped", because: injection.because };
		case "refused": {
			const because = injection.problems.join("; ");
			return {
				response: refuse(request, `Keepmesh cannot put a proxy into it: ${because}`),
				outcome: "refused",
				because,
			};
		}
		case "injected": {
			const patch = base64Of(JSON.stringify(planJsonPatch(pod, injection.pod)));
			const response = { ...allow(request, injection.warnings), patchType: "JSONPatch", patch } as const;
			return { response, outcome: "injected" };
		}
		default:
			return injection satisfies never;
	}
}

function base64Of(text: string): string {
	const bytes = new TextEncoder().encode(text);
	const parts: string[] = [];
	// More arguments than a call may have would be too many.
	for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
	return btoa(parts.join(""));
}
