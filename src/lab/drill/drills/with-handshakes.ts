// What the load alone does not show: proxies try again where a handshake failed, so a moment in which one does not trust the
// other may cost no request. Here every handshake between the Envoys counts.

import type { DrillFindings } from "../drill.ts";
import type { DrillMesh } from "../drill-mesh.ts";

/** Late failures of the last connections are counted too. */
const afterMs = 300;

/** Rejects when a handshake failed meanwhile, and when there was none. */
export async function withHandshakes(mesh: DrillMesh, run: () => Promise<DrillFindings>): Promise<DrillFindings> {
	const before = await mesh.handshakes();
	const findings = await run();
	await mesh.sleep(afterMs);
	const after = await mesh.handshakes();
	const failed = after.failed - before.failed;
	if (failed > 0) throw new Error(`${failed} TLS handshakes failed`);
	if (after.made === before.made) throw new Error("no TLS handshake was made, so nothing was shown");
	return findings;
}
