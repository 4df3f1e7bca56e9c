// A workload for tests of policies: its resources as text, and clients of it with any identity.

import type { Socket } from "node:net";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import type { MeshInAProcess } from "./mesh-in-a-process.ts";
import type { TestAuthority } from "./test-authority.ts";

export const podIp = "10.77.0.2";
export const httpPort = 8080;
export const bytesPort = 7000;
/** Of a service port that does not say its protocol. */
export const sniffedPort = 7001;

/** The workload `p` in namespace `default`, with what `meshConfig` (YAML of its spec) says, and the policies after it. */
export function guardedWorkload(policies: string, meshConfig = "{}"): string {
	return `
apiVersion: keepmesh.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec: ${meshConfig}
---
apiVersion: v1
kind: Service
metadata: { name: p, namespace: default }
spec:
  selector: { app: p }
  ports:
  - { name: http, port: 80, targetPort: ${httpPort} }
  - { name: tcp, port: 82, targetPort: ${bytesPort} }
  - { name: unsaid, port: 83, targetPort: ${sniffedPort} }
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: default, labels: { app: p } }
spec: { serviceAccountName: p }
status: { podIP: ${podIp}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
${policies}`;
}

/** `spec` is YAML on one line. */
export function policy(name: string, spec: string, annotations = "{}"): string {
	return `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: default, annotations: ${annotations} }
spec: ${spec}
`;
}

export interface Caller {
	/** Whole URI of the client's certificate. Absent: plaintext. */
	readonly uri?: string;
	/** Default: the workload's HTTP port. */
	readonly port?: number;
}

/** A connection of a client on the host, ready for the first bytes. */
export async function callAs(
	mesh: MeshInAProcess,
	from: Host,
	authority: TestAuthority,
	{ uri, port = httpPort }: Caller,
): Promise<Socket> {
	if (uri === undefined) return mesh.connect(podIp, port, from);
	const { chainPem, keyPem, rootPem } = authority.issue(uri);
	const ALPNProtocols = [port === httpPort ? "istio-http/1.1" : "istio"];
	const options = { cert: chainPem, key: keyPem, ca: rootPem, ALPNProtocols, checkServerIdentity: () => undefined };
	return mesh.connectTls(podIp, port, options, from);
}
