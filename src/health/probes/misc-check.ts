// MISC_CHECK: a script whose exit code decides, and with misc_dynamic says the weight.

import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { RealServerCheck } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { CheckContext } from "./real-server-check.ts";
import { runScriptOnce, type ScriptOrder } from "./script-probe.ts";

type MiscCheck = Extract<RealServerCheck, { type: "misc" }>;

export function checkMisc(check: MiscCheck, context: CheckContext, signal: AbortSignal): Promise<CheckOutcome> {
	return runScriptOnce(scriptOf(check), context, signal);
}

export function scriptOf({ command, timeoutMs }: MiscCheck): ScriptOrder {
	return { ...command, timeoutMs };
}
