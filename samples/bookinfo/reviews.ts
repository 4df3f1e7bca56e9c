// The reviews service: v1 shows no stars, v2 black ones, v3 red ones; the stars come from the ratings service.

import { call, type Handler, self } from "./serve.ts";

const texts = [
	{ reviewer: "Reviewer1", text: "Two pairs of twins and not one of them is ever where he should be. Very funny." },
	{ reviewer: "Reviewer2", text: "Short, quick and silly. It lacks depth, and does not miss it." },
] as const;

const colour = self.version === "v2" ? "black" : self.version === "v3" ? "red" : undefined;
const ratingsUrl = `http://${process.env.RATINGS_HOSTNAME ?? "ratings"}:${process.env.RATINGS_SERVICE_PORT ?? 9080}`;

export const reviewsRoutes: Readonly<Record<string, Handler>> = {
	"/reviews/*": async (request, url) => {
		const id = url.pathname.split("/")[2] ?? "0";
		const head = { id, podname: self.pod, clustername: "lab", version: self.version, pod: self.pod };
		if (!colour) return { body: { ...head, reviews: texts } };
		// As the original: v2 gives ratings 10 s, v3 2.5 s.
		const rated = await call(`${ratingsUrl}/ratings/${id}`, request.headers, self.version === "v2" ? 10_000 : 2500);
		const stars = (rated.body as { ratings?: Readonly<Record<string, number>> }).ratings;
		const reviews = texts.map((review) => ({
			...review,
			rating: stars
				? { stars: stars[review.reviewer], color: colour }
				: { error: "Ratings service is currently unavailable" },
		}));
		const source = rated.body as { pod?: string; version?: string };
		return { body: { ...head, ratings: { status: rated.status, pod: source.pod, version: source.version }, reviews } };
	},
};
