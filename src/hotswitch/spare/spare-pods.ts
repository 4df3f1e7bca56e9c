// All pods that the spare may serve. In: what each pod's sidecar accepted, its certificate, whether its policy allows the spare.
// Out: the spare's whole configuration, and for each pod the listeners that it must have, or why there are none.

import { danglingReferences, renderDangling } from "../../envoy/find-dangling-references.ts";
import { type WorkloadKeyPair, workloadSecrets } from "../../envoy/secret/workload-secrets.ts";
import { type ProxyConfig, type ResourceSet, typeUrls } from "../../xds/resource.ts";
import { type AcceptedChange, resourcesIn, resourcesOf, withAccepted } from "./accepted-config.ts";
import { joinConfigs } from "./join-configs.ts";
import { SpareConfig, spareName } from "./spare-config.ts";
import type { WantedResource } from "./spare-serving.ts";

interface Entry {
	readonly spare: SpareConfig;
	accepted: ProxyConfig;
	/** `accepted` as it was whole last. */
	whole: ProxyConfig | undefined;
	certificate: ResourceSet | undefined;
	pair: WorkloadKeyPair | undefined;
	isAllowed: boolean;
	isChanged: boolean;
	/** Absent: the spare has nothing of the pod. */
	made?: ProxyConfig;
	/** Why it was not made anew. */
	because?: string;
}

export type SpareWanted =
	| { readonly ok: true; readonly listeners: readonly WantedResource[] }
	| { readonly ok: false; readonly because: string };

export class SparePods {
	readonly #pods = new Map<string, Entry>();

	/** `netns`: file of the pod's network namespace, as the spare may open it. */
	add(uid: string, netns: string): void {
		this.#pods.set(uid, {
			spare: new SpareConfig({ uid, netns }),
			accepted: new Map(),
			whole: undefined,
			certificate: undefined,
			pair: undefined,
			isAllowed: false,
			isChanged: true,
		});
	}

	remove(uid: string): void {
		this.#pods.delete(uid);
	}

	/** Each of these says whether anything changed. */
	allow(uid: string, isAllowed: boolean): boolean {
		const entry = this.#pods.get(uid);
		if (!entry || entry.isAllowed === isAllowed) return false;
		entry.isAllowed = isAllowed;
		entry.isChanged = true;
		return true;
	}

	restore(uid: string, kept: ProxyConfig): boolean {
		return this.#change(uid, (entry) => {
			entry.accepted = kept;
		});
	}

	accept(uid: string, change: AcceptedChange): boolean {
		return this.#change(uid, (entry) => {
			entry.accepted = withAccepted(entry.accepted, change);
		});
	}

	certify(uid: string, pair: WorkloadKeyPair | undefined): boolean {
		const entry = this.#pods.get(uid);
		if (!entry || isSamePair(entry.pair, pair)) return false;
		entry.pair = pair;
		entry.certificate = pair && workloadSecrets(pair).get(typeUrls.secret);
		entry.isChanged = true;
		return true;
	}

	/** A pod whose policy allows the spare. */
	get isWanted(): boolean {
		return [...this.#pods.values()].some(({ isAllowed }) => isAllowed);
	}

	uids(): Iterable<string> {
		return this.#pods.keys();
	}

	config(): ProxyConfig {
		for (const entry of this.#pods.values()) if (entry.isChanged) refresh(entry);
		return joinConfigs([...this.#pods.values()].flatMap(({ made }) => made ?? []));
	}

	/** Its certificate and the roots that it trusts, by the spare's names, as `config` gave them last. */
	secrets(uid: string): readonly WantedResource[] {
		const entry = this.#pods.get(uid);
		if (!entry?.made || !entry.certificate) return [];
		const names = new Set(resourcesIn(entry.certificate).map(({ name }) => spareName(uid, name)));
		return resourcesOf(entry.made, typeUrls.secret).filter(({ name }) => names.has(name));
	}

	/** As `config` gave it last. */
	wanted(uid: string): SpareWanted {
		const entry = this.#pods.get(uid);
		if (!entry?.made || entry.because !== undefined)
			return { ok: false, because: entry?.because ?? "nothing of the pod is known" };
		return { ok: true, listeners: resourcesOf(entry.made, typeUrls.listener) };
	}

	#change(uid: string, change: (entry: Entry) => void): boolean {
		const entry = this.#pods.get(uid);
		if (!entry) return false;
		change(entry);
		entry.isChanged = true;
		return true;
	}
}

function refresh(entry: Entry): void {
	entry.isChanged = false;
	entry.because = undefined;
	if (!entry.isAllowed) {
		entry.made = undefined;
		entry.because = "the policy does not allow the spare";
		return;
	}
	if (resourcesOf(entry.accepted, typeUrls.listener).length === 0) {
		entry.made = undefined;
		entry.because = "the sidecar has accepted no configuration yet";
		return;
	}
	// In the midst of a sidecar's start: what was whole stays until this is, but for the certificate and the roots.
	const missing = danglingReferences(entry.accepted).find(({ effect }) => effect === "waits");
	if (missing) entry.because = `what the sidecar has accepted is not whole: ${renderDangling(missing)}`;
	else entry.whole = entry.accepted;
	if (!entry.whole) return;
	const secrets = [entry.whole.get(typeUrls.secret), entry.certificate].flatMap((set) => set?.parts ?? []);
	const config = new Map(entry.whole);
	if (secrets.length > 0) config.set(typeUrls.secret, { typeUrl: typeUrls.secret, parts: secrets });
	const outcome = entry.spare.of(config);
	entry.made = outcome.ok ? outcome.config : undefined;
	if (!outcome.ok) entry.because = outcome.because;
}

function isSamePair(a: WorkloadKeyPair | undefined, b: WorkloadKeyPair | undefined): boolean {
	return a?.chainPem === b?.chainPem && a?.keyPem === b?.keyPem && a?.rootPem === b?.rootPem && a?.crlPem === b?.crlPem;
}
