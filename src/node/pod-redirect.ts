// One pod's redirect in the kernel. In: the plan, as what is known of the pod changes it; orders of the supervisor. Out: the
// table in the pod's namespace, changed by one order after the other, and word of what became of each.

import { rmSync } from "node:fs";
import type { RedirectPlan } from "../hotswitch/redirect-plan.ts";
import { renderRedirect, renderReleasedRedirect } from "../hotswitch/render-redirect.ts";
import { applyRedirect, removeRedirect } from "../kernel/namespace-redirect.ts";
import type { Log } from "../runtime/log.ts";
import { writeKeptFile } from "./kept-file.ts";
import { digestOf, encodeKeptRedirect, type KeptRedirect } from "./kept-redirect.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import type { ProxyEvent } from "./plan/proxy-machine.ts";
import type { PodHotSwitch } from "./pod-hot-switch.ts";

export class PodRedirect {
	readonly #pod: PodSpec;
	readonly #log: Log;
	readonly #hotSwitch: () => PodHotSwitch | undefined;
	readonly #file: string;
	#plan: RedirectPlan;
	/** Of the plan whose table is known to be in the kernel. */
	#digest: string | undefined;
	/** Changes of the kernel, one after the other. */
	#kernel: Promise<unknown> = Promise.resolve();

	constructor(
		pod: PodSpec,
		plan: RedirectPlan,
		deps: { readonly file: string; readonly log: Log; readonly hotSwitch: () => PodHotSwitch | undefined },
	) {
		this.#file = deps.file;
		this.#pod = pod;
		this.#plan = plan;
		this.#log = deps.log;
		this.#hotSwitch = deps.hotSwitch;
	}

	get plan(): RedirectPlan {
		return this.#plan;
	}

	/** For the table that is made next. */
	change(changed: Partial<RedirectPlan>): void {
		this.#plan = { ...this.#plan, ...changed };
	}

	/** An earlier agent's table is in the kernel: it stays as it is while the plan gives the same. */
	adopt({ digest }: KeptRedirect): void {
		this.#digest = digest;
	}

	/** Resolves when what was ordered before is done. */
	settled(): Promise<unknown> {
		return this.#kernel;
	}

	/** Nothing is done when the kernel has it, or when it is not wanted any more by the time that it is this change's turn. */
	apply(isWanted: () => boolean = () => true): Promise<ProxyEvent | undefined> {
		return this.#inOrder(async () => {
			if (!isWanted()) return undefined;
			const plan = this.#plan;
			const digest = digestOf(plan);
			if (digest === this.#digest) return { type: "redirectApplied" };
			const result = await applyRedirect(this.#pod.netns, {
				ruleset: renderRedirect(plan, [], this.#hotSwitch()?.path),
				ipv6: plan.families.includes(6),
				lowPorts: this.#pod.proxy === "router",
			});
			if (result.ok) {
				this.#digest = digest;
				const because = writeKeptFile(this.#file, encodeKeptRedirect(plan));
				if (because) this.#log.warn({ pod: plan.owner, because }, "a later agent will make the redirect anew");
				if (this.#plan.lease) this.#hotSwitch()?.tableApplied();
				return { type: "redirectApplied" };
			}
			return { type: "redirectRefused", because: `${result.message}; ${result.hint}` };
		});
	}

	/** New connections are no longer caught. */
	release(): Promise<ProxyEvent> {
		return this.#inOrder(async () => {
			this.#digest = undefined;
			rmSync(this.#file, { force: true });
			const ruleset = renderReleasedRedirect(this.#plan);
			// A namespace that has gone, as after the end of a pod, needs no release.
			const released = await applyRedirect(this.#pod.netns, { ruleset, ipv6: false, lowPorts: false });
			if (!released.ok) this.#log.debug({ pod: this.#plan.owner, ...released }, "redirect was not released");
			return { type: "redirectReleased" };
		});
	}

	async remove(): Promise<void> {
		const removed = await removeRedirect(this.#pod.netns);
		if (!removed.ok) this.#log.warn({ pod: this.#plan.owner, ...removed }, "redirect could not be removed");
	}

	#inOrder<Result>(change: () => Promise<Result>): Promise<Result> {
		const done = this.#kernel.then(change);
		this.#kernel = done.catch(() => {});
		return done;
	}
}
