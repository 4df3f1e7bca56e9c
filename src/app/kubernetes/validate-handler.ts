// Answers whether a resource may be taken, with what is in force here as the rest of the mesh. Looking across all resources takes
// time with their number, in a process that has proxies to serve: it is done as often as it takes little of it.

import { validateReview } from "../../kubernetes/admission/validate-review.ts";
import type { AnswerReview } from "../../kubernetes/webhook/webhook-server.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { allObjects } from "../control/mesh-problems.ts";

/** At most this share of the time goes into warnings about what else there is, after a first half second. */
const share = 1 / 10;
const mostMs = 500;

export function validateHandler(snapshot: () => Snapshot, clock: Pick<Clock, "monotonicMs">): AnswerReview {
	let leftMs = mostMs;
	let lastMs = clock.monotonicMs();
	return (review) => {
		const startMs = clock.monotonicMs();
		leftMs = Math.min(mostMs, leftMs + (startMs - lastMs) * share);
		lastMs = startMs;
		if (leftMs <= 0) return validateReview(review);
		const answer = validateReview(review, { objects: allObjects(snapshot()) });
		leftMs -= clock.monotonicMs() - startMs;
		return answer;
	};
}
