// What a drill asks of its program in a pod (drill-peer.ts), as JSON in the body of a POST, and where. Each group of orders is a file.

import type { AgentOrder } from "./peer-agent.ts";
import type { Layer4Order } from "./peer-layer4.ts";
import type { LoadOrder } from "./peer-load.ts";
import type { LocalOrder } from "./peer-local.ts";
import type { ProcessOrder } from "./peer-process.ts";
import type { ProgramOrder } from "./peer-programs.ts";
import type { UndoOrder } from "./peer-undo.ts";
import type { VirtualIpOrder } from "./peer-virtual-ip.ts";
import type { WireOrder } from "./peer-wire.ts";

/** HTTP, as the applications of a mesh have it. */
export const servedPort = 8080;
/** Never redirected. */
export const orderPort = 9999;
/** Of the pods' environment: what an order has to have as its `token`. Others in the cluster reach the port as well. */
export const tokenVariable = "KEEPMESH_DRILL_TOKEN";
/** Where a privileged pod has the directory of its node's agent. */
export const agentDirectory = "/agent";
/** Where it notes what it has to undo; outlives its container, not its pod. */
export const faultDirectory = "/faults";
/** Whom the caller's proxy has shown to be, as the server's proxy says; `plaintext` when nobody. */
export const callerHeader = "x-client-identity";

export type Order =
	| AgentOrder
	| Layer4Order
	| LoadOrder
	| LocalOrder
	| ProcessOrder
	| ProgramOrder
	| UndoOrder
	| VirtualIpOrder
	| WireOrder;
