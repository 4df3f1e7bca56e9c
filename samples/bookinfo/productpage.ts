// The product page: calls details and reviews and shows what came back, port 9080. A login sets the cookie `session`; its
// user travels on as the header end-user. x-reviews-version and x-details-version tell senders where the calls went.

import type { IncomingMessage } from "node:http";
import { renderPage } from "./page.ts";
import { type Answer, call, type Fetched, type Handler, self } from "./serve.ts";

const detailsUrl = `http://${process.env.DETAILS_HOSTNAME ?? "details"}:${process.env.DETAILS_SERVICE_PORT ?? 9080}`;
const reviewsUrl = `http://${process.env.REVIEWS_HOSTNAME ?? "reviews"}:${process.env.REVIEWS_SERVICE_PORT ?? 9080}`;
const product = { id: 0, title: "The Comedy of Errors" };
const timeoutMs = 3000;

export const productPageRoutes: Readonly<Record<string, Handler>> = {
	"/": () => ({ status: 302, headers: { location: "/productpage" }, body: {} }),
	"/index.html": () => ({ status: 302, headers: { location: "/productpage" }, body: {} }),
	"/productpage": productPage,
	"/login": login,
	"/logout": () => ({
		status: 302,
		headers: { location: "/productpage", "set-cookie": "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" },
		body: {},
	}),
	"/static/*": () => ({
		headers: { "content-type": "text/css", "cache-control": "max-age=60" },
		body: ":root { color-scheme: light dark; }\n",
	}),
	"/api/v1/products": () => ({ body: [{ ...product, pod: self.pod, version: self.version }] }),
	"/api/v1/products/*": productApi,
};

function headersFor(request: IncomingMessage): IncomingMessage["headers"] {
	const user = userOf(request);
	return user === undefined ? request.headers : { ...request.headers, "end-user": user };
}

function userOf(request: IncomingMessage): string | undefined {
	const session = /(?:^|;\s*)session=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
	const user = session ? safeDecode(session) : undefined;
	return user !== undefined && /^[\w.@-]{1,64}$/.test(user) ? user : undefined;
}

function safeDecode(text: string): string | undefined {
	try {
		return decodeURIComponent(text);
	} catch {
		return undefined;
	}
}

const fetchDetails = (request: IncomingMessage): Promise<Fetched> =>
	call(`${detailsUrl}/details/0`, headersFor(request), timeoutMs);

/** Tried twice, as the original does: with a slow ratings service the page waits twice as long. */
async function fetchReviews(request: IncomingMessage): Promise<Fetched> {
	const first = await call(`${reviewsUrl}/reviews/0`, headersFor(request), timeoutMs);
	return first.status === 200 ? first : call(`${reviewsUrl}/reviews/0`, headersFor(request), timeoutMs);
}

async function productPage(request: IncomingMessage): Promise<Answer> {
	const [details, reviews] = await Promise.all([fetchDetails(request), fetchReviews(request)]);
	return {
		headers: versionHeaders({ details, reviews }),
		body: renderPage({ user: userOf(request), title: product.title, details, reviews }),
	};
}

async function productApi(request: IncomingMessage, url: URL): Promise<Answer> {
	const [id, part] = url.pathname.split("/").slice(4);
	if (id !== "0") return { status: 404, body: { error: `no product ${id}` } };
	if (part === undefined || part === "") {
		const details = await fetchDetails(request);
		return { status: statusOf(details), headers: versionHeaders({ details }), body: details.body };
	}
	if (part === "reviews") {
		const reviews = await fetchReviews(request);
		return { status: statusOf(reviews), headers: versionHeaders({ reviews }), body: reviews.body };
	}
	if (part === "ratings") {
		const reviews = await fetchReviews(request);
		return { status: statusOf(reviews), body: (reviews.body as { ratings?: unknown }).ratings ?? {} };
	}
	return { status: 404, body: { error: `no such path: ${url.pathname}` } };
}

const statusOf = (fetched: Fetched): number => (fetched.status === 0 ? 503 : fetched.status);

function versionHeaders(results: Readonly<Record<string, Fetched>>): Readonly<Record<string, string>> {
	return Object.fromEntries(
		Object.entries(results).flatMap(([name, { status, body }]) => {
			const { version } = body as { version?: unknown };
			return [
				[`x-${name}-status`, String(status)],
				...(typeof version === "string" ? [[`x-${name}-version`, version]] : []),
			];
		}),
	);
}

async function login(request: IncomingMessage): Promise<Answer> {
	let text = "";
	for await (const chunk of request) {
		text += chunk;
		if (text.length > 10_000) return { status: 413, body: { error: "too long" } };
	}
	const user = (new URLSearchParams(text).get("username") ?? "").replace(/[^\w.@-]/g, "").slice(0, 64);
	return {
		status: 302,
		headers: {
			location: "/productpage",
			"set-cookie": `session=${encodeURIComponent(user)}; Path=/; HttpOnly; SameSite=Lax`,
		},
		body: {},
	};
}
