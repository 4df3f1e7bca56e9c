// The product page as HTML: one document without scripts or outside files. Values from other services are escaped.

import { type Fetched, self } from "./serve.ts";

export interface PageInput {
	readonly user: string | undefined;
	readonly title: string;
	readonly details: Fetched;
	readonly reviews: Fetched;
}

interface Review {
	readonly reviewer?: string;
	readonly text?: string;
	readonly rating?: { readonly stars?: number; readonly color?: string; readonly error?: string };
}

export function renderPage({ user, title, details, reviews }: PageInput): string {
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<strong>Bookinfo</strong>
${user === undefined ? signIn : `<form action="/logout">Signed in as <b>${escapeHtml(user)}</b> <button>Sign out</button></form>`}
</header>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lead">One of Shakespeare's first comedies: two pairs of twins, parted at birth, meet in one town without knowing it.</p>
<section><h2>Details</h2>${renderDetails(details)}</section>
<section><h2>Reviews</h2>${renderReviews(reviews)}</section>
</main>
<footer>page by ${escapeHtml(self.pod)}${servedBy("details", details)}${servedBy("reviews", reviews)}</footer>
</body>
</html>
`;
}

const signIn = `<form method="post" action="/login"><input name="username" placeholder="user, for example jason" aria-label="user" maxlength="64"> <button>Sign in</button></form>`;

function renderDetails({ status, body }: Fetched): string {
	if (status !== 200) return failed("Details", status, body);
	const shown = ["type", "pages", "publisher", "language", "ISBN-10", "ISBN-13"];
	const facts = body as Readonly<Record<string, unknown>>;
	return `<dl>${shown.map((key) => `<dt>${key}</dt><dd>${escapeHtml(String(facts[key] ?? ""))}</dd>`).join("")}</dl>`;
}

function renderReviews({ status, body }: Fetched): string {
	if (status !== 200) return failed("Reviews", status, body);
	const { reviews } = body as { readonly reviews?: readonly Review[] };
	return (reviews ?? [])
		.map(
			(review) =>
				`<blockquote><p>${escapeHtml(review.text ?? "")}</p>${renderStars(review)}<cite>${escapeHtml(review.reviewer ?? "")}</cite></blockquote>`,
		)
		.join("");
}

function renderStars({ rating }: Review): string {
	if (!rating) return "";
	if (rating.error !== undefined) return `<p class="failed">${escapeHtml(rating.error)}</p>`;
	const stars = Math.max(0, Math.min(5, Math.round(rating.stars ?? 0)));
	const colour = rating.color === "red" ? "red" : "black";
	return `<p class="stars ${colour}" aria-label="${stars} of 5 stars">${"★".repeat(stars)}${"☆".repeat(5 - stars)}</p>`;
}

function failed(what: string, status: number, body: unknown): string {
	const { error } = (body ?? {}) as { readonly error?: unknown };
	const reason = status === 0 ? String(error ?? "no answer") : `status ${status}`;
	return `<p class="failed">${what} are not available right now (${escapeHtml(reason)}).</p>`;
}

function servedBy(name: string, { body }: Fetched): string {
	const { pod } = (body ?? {}) as { readonly pod?: unknown };
	return typeof pod === "string" ? ` · ${name} by ${escapeHtml(pod)}` : "";
}

function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `
:root{color-scheme:light dark;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;margin:0}
header,main,footer{max-width:46rem;margin:auto;padding:1rem}
header{display:flex;justify-content:space-between;align-items:center;border-bottom:1px solid var(--line)}
input,button{font:inherit;padding:.2rem .5rem}
h1{margin:.5rem 0}.lead{opacity:.8}
dl{display:grid;grid-template-columns:8rem 1fr;gap:.2rem 1rem}dt{opacity:.7}dd{margin:0}
blockquote{margin:1rem 0;padding:.2rem 1rem;border-left:3px solid var(--line)}
.stars{font-size:1.4rem;letter-spacing:.1em;margin:0}.red{color:#d22}.black{color:CanvasText}
.failed{color:#c40}cite{opacity:.7}
footer{font-size:.8rem;opacity:.7;border-top:1px solid var(--line)}
`;
