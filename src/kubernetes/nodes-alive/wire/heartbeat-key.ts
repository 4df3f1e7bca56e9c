// The mesh's key for heartbeats -> what signs with it.

import { createHmac } from "node:crypto";
import type { Sign } from "../datagram.ts";

export function signWith(key: Uint8Array): Sign {
	return (bytes) => createHmac("sha256", key).update(bytes).digest();
}
