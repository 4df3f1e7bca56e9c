// The certificates and keys of one cluster: its authority, one certificate for each part, the key that signs ServiceAccounts'
// tokens. What Kubernetes expects in them: https://kubernetes.io/docs/setup/best-practices/certificates/

import { createPublicKey, type KeyObject } from "node:crypto";
import { newSerial } from "../src/identity/authority/new-certificates.ts";
import {
	keyIdOf,
	newAuthorityKey,
	privateKeyPem,
	publicKeyDer,
	signerOf,
} from "../src/identity/authority/signing-key.ts";
import { distinguishedName, signCertificate } from "../src/identity/certificate.ts";
import { pemFromDer } from "../src/identity/certificate-request.ts";
import type { ClusterShape } from "./plan/cluster-shape.ts";

export interface KeyPair {
	/** PEM. */
	readonly certificate: string;
	/** PEM. */
	readonly key: string;
}

export interface ClusterCertificates {
	readonly authority: KeyPair;
	/** Signs what a front proxy would present: nobody. */
	readonly frontProxyAuthority: KeyPair;
	/** By name: `kube-apiserver`, `kubelet-client`, `admin`, each client of the control plane. */
	readonly leaves: Readonly<Record<string, KeyPair>>;
	/** By node. */
	readonly nodes: Readonly<Record<string, { readonly client: KeyPair; readonly serving: KeyPair }>>;
	readonly serviceAccounts: { readonly privateKey: string; readonly publicKey: string };
}

const lifeMs = 3650 * 86_400_000;
const backdateMs = 3_600_000;

/** The clients of the API server: group and user. Roles are bound to these names (RBAC's defaults). */
const clients: Readonly<Record<string, readonly [group: string, user: string]>> = {
	admin: ["system:masters", "admin"],
	"kubelet-client": ["system:masters", "kube-apiserver-kubelet-client"],
	"kube-controller-manager": ["keepmesh", "system:kube-controller-manager"],
	"kube-scheduler": ["keepmesh", "system:kube-scheduler"],
	"kube-proxy": ["keepmesh", "system:kube-proxy"],
};

export function createCertificates(cluster: ClusterShape, nowMs: number): ClusterCertificates {
	const authority = newAuthority("kubernetes", nowMs);
	const serviceAccountKey = newAuthorityKey("rsa-2048");
	const leaf = (group: string, name: string, hosts: readonly string[] = []): KeyPair =>
		newLeaf(authority, group, name, hosts, nowMs);
	const service = [
		"kubernetes",
		"kubernetes.default",
		"kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local",
	];
	return {
		authority: pairOf(authority),
		frontProxyAuthority: pairOf(newAuthority("front-proxy", nowMs)),
		leaves: {
			...Object.fromEntries(Object.entries(clients).map(([name, [group, user]]) => [name, leaf(group, user)])),
			"kube-apiserver": leaf("kubernetes", "kube-apiserver", [
				"localhost",
				...service,
				"127.0.0.1",
				cluster.apiServiceIp,
				cluster.controlPlane.ip,
			]),
		},
		nodes: Object.fromEntries(
			cluster.nodes.map(({ name, ip }) => [
				name,
				{
					client: leaf("system:nodes", `system:node:${name}`),
					serving: leaf("system:nodes", `system:node:${name}`, [name, ip]),
				},
			]),
		),
		serviceAccounts: {
			privateKey: privateKeyPem(serviceAccountKey),
			publicKey: createPublicKey(serviceAccountKey).export({ type: "spki", format: "pem" }).toString(),
		},
	};
}

interface Authority {
	readonly key: KeyObject;
	readonly name: Uint8Array;
	readonly keyId: Uint8Array;
	readonly certificate: string;
}

const pairOf = ({ certificate, key }: Authority): KeyPair => ({ certificate, key: privateKeyPem(key) });

function newAuthority(name: string, nowMs: number): Authority {
	const key = newAuthorityKey();
	const publicKey = publicKeyDer(key);
	const keyId = keyIdOf(publicKey);
	const subjectName = distinguishedName("keepmesh test cluster", name);
	const fields = {
		serial: newSerial(),
		issuerName: subjectName,
		subjectName,
		notBeforeMs: nowMs - backdateMs,
		notAfterMs: nowMs + lifeMs,
		publicKey,
		subjectKeyId: keyId,
		authorityKeyId: keyId,
		authority: {},
	};
	return { key, keyId, name: subjectName, certificate: pem(signCertificate(fields, signerOf(key))) };
}

function newLeaf(authority: Authority, group: string, name: string, hosts: readonly string[], nowMs: number): KeyPair {
	const key = newAuthorityKey();
	const publicKey = publicKeyDer(key);
	const isAddress = (host: string): boolean => /^[\d.]+$/.test(host);
	const fields = {
		serial: newSerial(),
		issuerName: authority.name,
		subjectName: distinguishedName(group, name),
		notBeforeMs: nowMs - backdateMs,
		notAfterMs: nowMs + lifeMs,
		publicKey,
		subjectKeyId: keyIdOf(publicKey),
		authorityKeyId: authority.keyId,
		// The alternative name is critical, so it may not be empty.
		dnsNames: hosts.length === 0 ? ["client.invalid"] : hosts.filter((host) => !isAddress(host)),
		ipAddresses: hosts.filter(isAddress).map((host) => Uint8Array.from(host.split(".").map(Number))),
	};
	return { certificate: pem(signCertificate(fields, signerOf(authority.key))), key: privateKeyPem(key) };
}

const pem = (bytes: Uint8Array): string => pemFromDer("CERTIFICATE", bytes);
