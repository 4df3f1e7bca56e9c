// What the spare Envoy has confirmed on its streams. In: its server, and what it should have. Out: which listeners it took, and
// what is lacking until it shows a pod's certificate and trusts the pod's roots as they are now.

import type { SecretLack, WantedResource } from "../../hotswitch/spare/spare-serving.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import type { XdsServer } from "../../xds/wire/config-source.ts";
import type { EnvoyAdmin } from "../envoy-admin.ts";
import { hasSecret } from "../identity/trust-proof.ts";

export interface SpareConfirmedDeps {
	readonly spareId: string;
	/** Undefined until it listens. */
	readonly server: () => XdsServer | undefined;
	readonly admin: EnvoyAdmin;
}

export class SpareConfirmed {
	readonly #deps: SpareConfirmedDeps;

	constructor(deps: SpareConfirmedDeps) {
		this.#deps = deps;
	}

	/** As it is now: what is confirmed later does not count. */
	listeners(wanted: readonly WantedResource[]): (listener: WantedResource) => boolean {
		const applied = wanted.filter((one) => this.#statesOf(typeUrls.listener, one).has("applied"));
		return ({ name, version }) => applied.some((one) => one.name === name && one.version === version);
	}

	secretLack(secrets: readonly WantedResource[]): SecretLack | undefined {
		const states = new Set(secrets.flatMap((secret) => [...this.#statesOf(typeUrls.secret, secret)]));
		if (states.has("rejected")) return { because: "the spare refused the pod's secrets", isRefused: true };
		if (!states.has("pending")) return undefined;
		return { because: "the spare has not confirmed the pod's secrets yet", isRefused: false };
	}

	/** In words; undefined when nothing is. */
	async lackOfTrust(secrets: readonly WantedResource[]): Promise<string | undefined> {
		const lack = this.secretLack(secrets);
		if (lack) return lack.because;
		const unasked = secrets.filter((secret) => !this.#statesOf(typeUrls.secret, secret).has("applied"));
		if (unasked.length === 0) return undefined;
		// Nobody asks: right for a pod without mutual TLS. A spare that has some from before must ask again first.
		const names = unasked.map(({ name }) => name);
		const has = await hasSecret(this.#deps.admin, names);
		return has === false ? undefined : `the spare does not ask for ${names.join(", ")}`;
	}

	/** On each of its streams. */
	#statesOf(typeUrl: TypeUrl, { name, version }: WantedResource) {
		const { server, spareId } = this.#deps;
		return new Set(
			server()
				?.applications(spareId, typeUrl, name, version)
				.map(({ state }) => state),
		);
	}
}
