// Stand-ins for two more samples of the field: helloworld (port 5000, `/hello`), and httpbin (echo, status, delay).

import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, type Handler, self } from "./serve.ts";

export const helloRoutes: Readonly<Record<string, Handler>> = {
	"/hello": () => ({
		headers: { "content-type": "text/plain; charset=utf-8" },
		body: `Hello version: ${self.version}, instance: ${self.pod}\n`,
	}),
};

export const httpbinRoutes: Readonly<Record<string, Handler>> = {
	"/": () => ({
		body: "<!doctype html><title>httpbin</title><p>/get /headers /ip /status/CODE /delay/SECONDS /anything",
	}),
	"/get": echo,
	"/post": echo,
	"/put": echo,
	"/headers": (request) => ({ body: { headers: titled(request) } }),
	"/ip": (request) => ({ body: { origin: originOf(request) } }),
	"/user-agent": (request) => ({ body: { "user-agent": request.headers["user-agent"] ?? "" } }),
	"/hostname": () => ({ body: { hostname: self.pod } }),
	"/uuid": () => ({ body: { uuid: crypto.randomUUID() } }),
	"/anything": echo,
	"/anything/*": echo,
	"/status/*": (_request, url) => {
		const code = Number(url.pathname.split("/")[2]);
		const valid = Number.isInteger(code) && code >= 200 && code <= 599;
		return { status: valid ? code : 400, body: { status: code, pod: self.pod } };
	},
	"/delay/*": async (request, url) => {
		await sleep(Math.min(10, Number(url.pathname.split("/")[2]) || 0) * 1000);
		return echo(request, url);
	},
};

async function echo(request: IncomingMessage, url: URL): Promise<Answer> {
	let data = "";
	for await (const chunk of request) {
		data += chunk;
		if (data.length > 1_000_000) return { status: 413, body: { error: "too long" } };
	}
	return {
		body: {
			method: request.method,
			args: Object.fromEntries(url.searchParams),
			headers: titled(request),
			origin: originOf(request),
			url: `http://${request.headers.host ?? ""}${request.url ?? ""}`,
			data,
			pod: self.pod,
			version: self.version,
		},
	};
}

/** `x-request-id` -> `X-Request-Id`, as httpbin prints names. */
function titled(request: IncomingMessage): Readonly<Record<string, string>> {
	return Object.fromEntries(
		Object.entries(request.headers).map(([name, value]) => [
			name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
			String(value),
		]),
	);
}

function originOf(request: IncomingMessage): string {
	return (request.headers["x-forwarded-for"] ?? request.socket.remoteAddress ?? "").toString();
}
