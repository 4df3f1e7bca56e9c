// The parts of a control plane that exist only on Kubernetes, in the order in which they start. A new part: one line here.

import type { ControlPart, ControlPartContext, StartControlPart } from "./control-part.ts";
import { lostNodesPart } from "./lost-nodes-part.ts";
import { startNodeIdentity } from "./node-identity-part.ts";
import { rootConfigMapsPart } from "./root-config-maps-part.ts";
import { statusPart } from "./status-part.ts";
import { webhookPart } from "./webhook-part.ts";

const controlParts: readonly StartControlPart[] = [
	startNodeIdentity,
	onceRead(webhookPart),
	statusPart,
	lostNodesPart,
	rootConfigMapsPart,
];

/** API servers alone call them: while there is none the part is not needed, and could only guess what it has to do. */
function onceRead(part: StartControlPart): StartControlPart {
	return async (context) => {
		const { log, source } = context;
		if (!source.isRestored) return part(context);
		let isClosed = false;
		const started = source.read
			.then(() => (isClosed || source.isRestored ? undefined : part(context)))
			.catch((error: unknown) => {
				log.error({ because: String(error) }, "webhooks cannot be answered");
				return undefined;
			});
		return {
			close: async () => {
				isClosed = true;
				if (!source.isRestored) await (await started)?.close();
			},
		};
	};
}

/** Those that started are closed again when one fails. */
export async function startControlParts(context: ControlPartContext): Promise<readonly ControlPart[]> {
	const started: ControlPart[] = [];
	try {
		for (const start of controlParts) started.push(await start(context));
		return started;
	} catch (error) {
		await closeControlParts(started);
		throw error;
	}
}

/** The last one first. */
export async function closeControlParts(parts: readonly ControlPart[]): Promise<void> {
	for (const part of parts.toReversed()) await part.close();
}
