// The operator's authority from a Secret (Istio's `cacerts`, or one of cert-manager) as a directory that is read as a plugged-in
// authority: the same files, changed as the Secret changes. A Secret that vanishes leaves them as they are.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { plugInFiles } from "../../identity/authority/plug-in-files.ts";
import type { Clock } from "../../runtime/clock.ts";
import { makePrivateDirectory, replaceFile } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";
import { secrets } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import type { SecretData } from "./secret-files.ts";
import { keepSecret, readSecret, type SecretVersion } from "./stored-secret.ts";

const names = [
	"ca-key.pem",
	"ca-cert.pem",
	"root-cert.pem",
	"cert-chain.pem",
	"ca-crl.pem",
	"tls.key",
	"tls.crt",
	"ca.crt",
] as const;

export interface PlugInMirrorOptions {
	readonly namespace: string;
	/** Of the Secret: `cacerts`. */
	readonly name: string;
	readonly directory: string;
}

export interface PlugInMirrorParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly onChange?: () => void;
}

export class PlugInMirror {
	readonly #options: PlugInMirrorOptions;
	readonly #parts: PlugInMirrorParts;
	#watch: ResourceWatch | undefined;

	constructor(options: PlugInMirrorOptions, parts: PlugInMirrorParts) {
		this.#options = options;
		this.#parts = parts;
		makePrivateDirectory(options.directory);
	}

	get directory(): string {
		return this.#options.directory;
	}

	/** There is such a Secret, or was one when the API server was asked last. */
	get exists(): boolean {
		return plugInFiles(this.directory) !== undefined;
	}

	/** Rejects when it cannot be known. */
	async load(): Promise<void> {
		const found = await readSecret(this.#parts.client, this.#options);
		if (found) this.#write(found.data);
		else if (this.exists) this.#warnOfAbsence();
	}

	follow(): void {
		const { client, clock, log } = this.#parts;
		const { name, namespace } = this.#options;
		const target = { resource: secrets, namespace, fieldSelector: `metadata.name=${name}`, keep: keepSecret(name) };
		this.#watch = watchResource<SecretVersion>(client, target, {
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") for (const { data } of event.objects) this.#write(data);
				else if (event.type === "applied") this.#write(event.object.data);
				else if (event.type === "removed") this.#warnOfAbsence();
			},
		});
	}

	close(): void {
		this.#watch?.close();
	}

	#write(data: SecretData): void {
		let isChanged = false;
		for (const name of names) {
			const path = join(this.directory, name);
			const wanted = data[name] === undefined ? undefined : Buffer.from(data[name], "base64").toString("utf8");
			const have = existsSync(path) ? readFileSync(path, "utf8") : undefined;
			if (wanted === have) continue;
			isChanged = true;
			if (wanted === undefined) rmSync(path, { force: true });
			else replaceFile(path, wanted);
		}
		if (isChanged) this.#parts.onChange?.();
	}

	#warnOfAbsence(): void {
		const { name, namespace } = this.#options;
		const secret = `${namespace}/${name}`;
		this.#parts.log.warn({ secret }, "the plugged-in authority's Secret is gone: put it back; what it held goes on");
	}
}
