// For tests: a control plane's port with real TLS and real join tokens that does nothing but sign certificates.

import { X509Certificate } from "node:crypto";
import {
	createSecureServer,
	type Http2SecureServer,
	type ServerHttp2Session,
	type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Authority, openAuthority } from "../../identity/authority/authority.ts";
import { JoinTokens } from "../../identity/authority/join-tokens.ts";
import { derFromPem, parseCertificateRequest } from "../../identity/certificate-request.ts";
import {
	decodeCreateCertificateRequest,
	encodeCreateCertificateResponse,
} from "../../identity/certificate-service-codec.ts";
import { type PartId, parseIdentity } from "../../identity/spiffe-id.ts";
import { FrameReader, frame } from "../../xds/wire/grpc-frames.ts";
import { newKey, requestFor } from "./certified-key.ts";

export interface TlsControl {
	readonly port: number;
	readonly authority: Authority;
	/** Who asked for what, in order: `join n1`, `renew n1`, the URI of a workload. */
	readonly asked: string[];
	/** Connections that were opened. */
	readonly connections: () => number;
	newToken(node: string, ttlMs?: number): string;
	/** Loses answers instead of sending them. */
	loseAnswers: boolean;
	close(): void;
}

export async function startTlsControl(options: {
	readonly directory: string;
	readonly wallMs?: () => number;
	/** Default: a control plane. */
	readonly id?: PartId;
	readonly leafTtlMs?: number;
	/** Node of whoever shows another bearer token than a join token. */
	readonly nodeOfAccount?: (token: string) => string | undefined;
}): Promise<TlsControl> {
	const wallMs = options.wallMs ?? Date.now;
	const authority = openAuthority({
		directory: options.directory,
		trustDomain: "cluster.local",
		wallMs,
		...(options.leafTtlMs === undefined ? {} : { leafTtlMs: options.leafTtlMs }),
	});
	const tokens = new JoinTokens(options.directory);
	const keyPem = newKey();
	const own = authority.sign(
		requestFor(keyPem),
		options.id ?? { trustDomain: "cluster.local", part: "control", name: "c1" },
	);
	if (!own.ok) throw new Error(own.because);
	const server: Http2SecureServer = createSecureServer({
		key: keyPem,
		cert: own.chain.join(""),
		ca: authority.bundle().roots.join(""),
		requestCert: true,
		rejectUnauthorized: false,
	});
	const sessions = new Set<ServerHttp2Session>();
	let connections = 0;
	const control = { loseAnswers: false, asked: [] as string[] };
	server.on("session", (session) => {
		connections++;
		sessions.add(session);
		session.on("error", () => {}).on("close", () => sessions.delete(session));
	});
	server.on("stream", (http: ServerHttp2Stream, headers) => {
		http.on("error", () => {});
		const reader = new FrameReader(65_536);
		http.on("data", (chunk: Buffer) => {
			reader.push(chunk, (message) => {
				const { csr } = decodeCreateCertificateRequest(message);
				const refuse = (because: string): void =>
					http.respond(
						{ ":status": 200, "grpc-status": "7", "grpc-message": encodeURIComponent(because) },
						{ endStream: true },
					);
				const bearer = String(headers.authorization ?? "").replace("Bearer ", "");
				const wanted = String(headers["keepmesh-workload-identity"] ?? "");
				const socket = http.session?.socket as TLSSocket;
				const names = socket.authorized ? new X509Certificate(socket.getPeerCertificate().raw).subjectAltName : "";
				const caller = parseIdentity(names?.replace("URI:", "") ?? "");
				const parsed = parseCertificateRequest(derFromPem("CERTIFICATE REQUEST", csr) ?? new Uint8Array());
				if (!parsed.ok) return refuse("no request");
				let identity = caller;
				const accountNode = bearer.startsWith("km1.") ? undefined : options.nodeOfAccount?.(bearer);
				if (accountNode !== undefined) identity = { trustDomain: "cluster.local", part: "node", name: accountNode };
				else if (bearer !== "") {
					const joined = tokens.redeem(bearer, parsed.request.publicKey, wallMs());
					if (!joined.ok) return refuse(joined.because);
					identity = { trustDomain: "cluster.local", part: "node", name: joined.token.node };
				} else if (wanted !== "" && caller && "part" in caller) identity = parseIdentity(wanted);
				if (!identity) return refuse("who are you?");
				const what = bearer !== "" ? "join " : "part" in identity ? "renew " : "";
				control.asked.push(`${what}${"part" in identity ? identity.name : wanted}`);
				const signed = authority.sign(csr, identity);
				if (!signed.ok) return refuse(signed.because);
				if (control.loseAnswers) return http.session?.destroy();
				http.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
				http.on("wantTrailers", () => http.sendTrailers({ "grpc-status": "0" }));
				http.end(frame(encodeCreateCertificateResponse(signed.chain)));
			});
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return Object.assign(control, {
		port: (server.address() as AddressInfo).port,
		authority,
		connections: () => connections,
		newToken: (node: string, ttlMs = 3_600_000) =>
			tokens.create({ node, ttlMs, rootHash: authority.rootHash, nowMs: wallMs() }).text,
		close: () => {
			server.close();
			for (const session of sessions) session.destroy();
			authority.close();
		},
	});
}
