// External authorisers of tests, over HTTP and over gRPC: a request's header `x-want` tells them what to do, and they keep
// what they were asked.

import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { Server } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
	type CheckRequest,
	CheckRequestSchema,
	CheckResponseSchema,
} from "../../src/envoy/gen/envoy/service/auth/v3/external_auth_pb.ts";
import { StatusCode } from "../../src/envoy/gen/envoy/type/v3/http_status_pb.ts";

export interface HttpQuestion {
	readonly method: string;
	readonly path: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
}

/** `x-want`: `allow` (default), `deny`, or `hang`: no answer ever. */
export function httpAuthorizer(asked: HttpQuestion[]): Server {
	return createServer(async (incoming, outgoing) => {
		const { method = "", url: path = "", headers } = incoming;
		asked.push({ method, path, headers, body: await text(incoming) });
		if (headers["x-want"] === "hang") return;
		if (headers["x-want"] === "deny") {
			outgoing.writeHead(401, { "x-why": "not today", "x-hidden": "secret" }).end("go away");
			return;
		}
		outgoing.writeHead(200, { "x-user": "ada", "x-hidden": "secret", "x-ok": "fine" }).end();
	});
}

/** The same over gRPC. Of connections without HTTP it allows those whose client is in namespace `good`. */
export function grpcAuthorizer(asked: CheckRequest[]): Server {
	const server = createHttp2Server();
	server.on("stream", async (stream: ServerHttp2Stream) => {
		stream.on("error", () => {});
		const question = fromBinary(CheckRequestSchema, (await buffer(stream)).subarray(5));
		asked.push(question);
		const answer = answerOf(question);
		if (!answer) return;
		stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
		stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
		const message = toBinary(CheckResponseSchema, create(CheckResponseSchema, answer));
		const head = Buffer.alloc(5);
		head.writeUInt32BE(message.length, 1);
		stream.end(Buffer.concat([head, message]));
	});
	return server;
}

const permissionDenied = 7;

function answerOf({ attributes }: CheckRequest): MessageInitShape<typeof CheckResponseSchema> | undefined {
	const http = attributes?.request?.http;
	if (!http) {
		const good = attributes?.source?.principal.includes("/ns/good/") === true;
		return { status: { code: good ? 0 : permissionDenied } };
	}
	const want = http.headers["x-want"];
	if (want === "hang") return undefined;
	const header = (key: string, value: string) => ({ header: { key, value } });
	if (want === "deny") {
		const value = {
			status: { code: StatusCode.Unauthorized },
			headers: [header("x-why", "not today")],
			body: "go away",
		};
		return { status: { code: permissionDenied }, httpResponse: { case: "deniedResponse", value } };
	}
	const value = { headers: [header("x-user", "ada")], responseHeadersToAdd: [header("x-ok", "fine")] };
	return { status: { code: 0 }, httpResponse: { case: "okResponse", value } };
}
