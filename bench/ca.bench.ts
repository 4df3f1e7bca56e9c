// How many certificates the authority gives out in a second on one core: the whole of CreateCertificate (read the message,
// know the caller, check the request's key and signature, sign, encode, enter in the ledger), then the same over mutual TLS
// with the client in a process of its own. Requests are made beforehand.

import { type ChildProcess, fork } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openAuthority } from "../src/identity/authority/authority.ts";
import {
	CertificateService,
	longestCallBytes,
	workloadIdentityHeader,
} from "../src/identity/authority/certificate-service.ts";
import { ServerCertificate } from "../src/identity/authority/server-certificate.ts";
import { type AuthorityKeyType, publicKeyDer, signerOf } from "../src/identity/authority/signing-key.ts";
import { pemFromDer, signCertificateRequest } from "../src/identity/certificate-request.ts";
import { createCertificatePath, encodeCreateCertificateRequest } from "../src/identity/certificate-service-codec.ts";
import { realClock } from "../src/runtime/clock.ts";
import { silentLog } from "../src/runtime/log.ts";
import { createMetrics } from "../src/runtime/metrics.ts";
import { callUnary } from "../src/xds/wire/unary-service.ts";
import { startXdsServer } from "../src/xds/wire/xds-server.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";

const rounds = 7;
const perRound = 1_000;
const nodes = 100;
const trustDomain = "cluster.local";
const reviews = "spiffe://cluster.local/ns/default/sa/reviews";

interface ClientJob {
	readonly port: number;
	readonly ca: readonly string[];
	readonly key: string;
	readonly cert: string;
	readonly messages: readonly string[];
	readonly rounds: number;
}

if (process.argv[2] === "client") await beClient();
else await measure();

async function measure(): Promise<void> {
	const rows: BenchRow[] = [];
	const ec = requests(() => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, perRound);
	// A request costs the authority the same whoever made its key: a few RSA keys are enough.
	const rsa = requests(() => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey, 8);
	for (const [keyType, messages, what, target] of [
		["ecdsa", ec, "P-256 authority, P-256 workload", ">= 1000"],
		["ecdsa", rsa, "P-256 authority, RSA-2048 workload", undefined],
		["rsa-2048", ec, "RSA-2048 authority, P-256 workload", undefined],
		["rsa-4096", ec, "RSA-4096 authority, P-256 workload", undefined],
	] as const)
		rows.push({
			what,
			unit: "certificates/s",
			spread: spreadOf(inProcess(keyType, messages)),
			...(target ? { target } : {}),
		});
	for (const [keyType, what] of [
		["ecdsa", "over mutual TLS, P-256 authority"],
		["rsa-2048", "over mutual TLS, RSA-2048 authority"],
	] as const)
		rows.push({ what, unit: "certificates/s", spread: spreadOf(await overWire(keyType, ec)), target: ">= 1000" });
	reportBench("ca", rows);
}

/** Certificates a second in each round. */
function inProcess(keyType: AuthorityKeyType, messages: readonly Uint8Array[]): readonly number[] {
	const { close, service } = openService(keyType);
	const rates: number[] = [];
	for (let round = -1; round < rounds; round++) {
		const startMs = performance.now();
		for (let count = 0; count < perRound; count++) {
			const outcome = service.createCertificate({
				message: messages[count % messages.length] ?? new Uint8Array(),
				// Each node is limited: many ask.
				peer: { address: "10.0.0.1", uri: `spiffe://${trustDomain}/keepmesh/node/n${count % nodes}` },
				headers: { [workloadIdentityHeader]: reviews },
			});
			if (!outcome.ok) throw new Error(outcome.because);
		}
		// The first round warms up.
		if (round >= 0) rates.push(perRound / ((performance.now() - startMs) / 1000));
	}
	close();
	return rates;
}

async function overWire(keyType: AuthorityKeyType, messages: readonly Uint8Array[]): Promise<readonly number[]> {
	const { authority, close, service } = openService(keyType);
	const certificate = new ServerCertificate(
		{ identity: { trustDomain, part: "control", name: "bench" }, dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] },
		{ authority, clock: realClock, log: silentLog, onRenewed: () => {} },
	);
	// One connection, so one caller: the limit of a node would be measured, so each call says which node it stands for.
	const handle = service.createCertificate.bind(service);
	let count = 0;
	const server = await startXdsServer(
		{
			listen: { host: "127.0.0.1", port: 0 },
			tls: { context: certificate.tls, asksForCertificate: true },
			services: new Map([
				[
					createCertificatePath,
					{
						maxRequestBytes: longestCallBytes,
						handle: (call) => {
							const uri = call.peer.uri && `spiffe://${trustDomain}/keepmesh/node/n${count++ % nodes}`;
							return handle({ ...call, peer: { address: call.peer.address, ...(uri ? { uri } : {}) } });
						},
					},
				],
			]),
		},
		{
			source: {
				connect: () => ({ ok: false, grpcStatus: 7, because: "none" }),
				configFor: () => undefined,
				disconnected() {},
			},
			clock: realClock,
			log: silentLog,
			metrics: createMetrics(),
		},
	);
	const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	const own = authority.signKey(publicKeyDer(key), { trustDomain, part: "node", name: "n0" });
	if (!own.ok || !("port" in server.address)) throw new Error("no certificate for the client");
	const child = fork(fileURLToPath(import.meta.url), ["client"], { execArgv: ["--no-warnings"] });
	const job: ClientJob = {
		port: server.address.port,
		ca: authority.bundle().roots,
		key: key.export({ type: "pkcs8", format: "pem" }).toString(),
		cert: own.chain.slice(0, -1).join(""),
		messages: messages.map((message) => Buffer.from(message).toString("base64")),
		rounds,
	};
	child.send(job);
	const [rates] = (await once(child, "message")) as [readonly number[]];
	await ended(child);
	certificate.close();
	await server.close();
	close();
	return rates;
}

function openService(keyType: AuthorityKeyType) {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-bench-ca-"));
	const wallMs = () => Date.now();
	const authority = openAuthority({ directory, trustDomain, keyType, wallMs });
	const service = new CertificateService({
		authority,
		isOnNode: () => true,
		clock: realClock,
		log: silentLog,
		metrics: createMetrics(),
	});
	for (let node = 0; node < nodes; node++)
		service.registrations.register({ id: "0", node: `n${node}`, allow: [], createdMs: 0, expiresMs: 0 }, 0);
	return { authority, service, close: () => rmSync(directory, { recursive: true }) };
}

function requests(newKey: () => KeyObject, count: number): readonly Uint8Array[] {
	return Array.from({ length: count }, () => {
		const key = newKey();
		const csr = pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(key), signerOf(key)));
		return encodeCreateCertificateRequest({ csr, validitySeconds: 0 });
	});
}

async function beClient(): Promise<void> {
	const [job] = (await once(process, "message")) as [ClientJob];
	const messages = job.messages.map((text) => Buffer.from(text, "base64"));
	const session = connect(`https://127.0.0.1:${job.port}`, { ca: [...job.ca], key: job.key, cert: job.cert });
	const headers = { [workloadIdentityHeader]: reviews };
	const rates: number[] = [];
	for (let round = -1; round < job.rounds; round++) {
		const startMs = performance.now();
		let next = 0;
		const oneAfterTheOther = async (): Promise<void> => {
			for (let message = messages[next++]; message; message = messages[next++])
				await callUnary(session, createCertificatePath, message, { timeoutMs: 10_000, headers });
		};
		await Promise.all(Array.from({ length: 32 }, oneAfterTheOther));
		if (round >= 0) rates.push(messages.length / ((performance.now() - startMs) / 1000));
	}
	session.close();
	process.send?.(rates);
	process.disconnect?.();
}

async function ended(child: ChildProcess): Promise<void> {
	if (child.exitCode === null) await once(child, "exit");
}
