// What the parts that complete an instance have in common: its draft, the global settings, and a way to speak about a directive.

import type { BlockContext } from "./block-reader.ts";
import type { ReportCode } from "./conf-report.ts";
import type { GlobalDraft } from "./global-defs.ts";
import type { InstanceDraft } from "./instance-draft.ts";

export interface Completion {
	readonly draft: InstanceDraft;
	readonly global: GlobalDraft;
	readonly strict: boolean;
	readonly family: "ipv4" | "ipv6";
	/** At the line of the directive, or of the block when it is not there. */
	warn(directive: string, message: string, hint: string, code?: ReportCode): void;
	/** The instance is left out. */
	leaveOut(directive: string, message: string, hint: string): undefined;
}

export function newCompletion(draft: InstanceDraft, global: GlobalDraft, { report, block }: BlockContext): Completion {
	const subject = (directive: string) => ({
		place: (draft.said.get(directive) ?? draft.statement).place,
		block,
		directive,
	});
	return {
		draft,
		global,
		strict: draft.strict ?? global.strict,
		family: draft.family ?? "ipv4",
		warn: (directive, message, hint, code) => report.warn(subject(directive), message, hint, code),
		leaveOut: (directive, message, hint) => {
			report.error(subject(directive), `${message}: keepalived leaves the instance out`, hint);
			return undefined;
		},
	};
}
