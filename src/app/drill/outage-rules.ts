// What the drills of outages write into the mesh's resources.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const bystanderFile = "outages.yaml";
export const numberHeader = "x-drill-number";

export function readBystander(): string {
	return readFileSync(fileURLToPath(new URL(`../../../samples/drill/${bystanderFile}`, import.meta.url)), "utf8");
}

/** Every answer to a call of the server carries the number. */
export function numberRule(number: number): string {
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: drill-number, namespace: default }
spec:
  hosts: [server]
  http:
    - headers: { response: { set: { ${numberHeader}: "${number}" } } }
      route: [{ destination: { host: server } }]
`;
}

/** `validation`: a pattern that does not end. `envoy`: one that repeats more often than its engine does. */
export const nonsensePatterns = { validation: "/(", envoy: "/(a{1000}){1000}" } as const;

export function nonsenseRule(by: "validation" | "envoy"): string {
	const pattern = nonsensePatterns[by];
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: drill-nonsense, namespace: default }
spec:
  hosts: [bystander]
  http:
    - match: [{ uri: { regex: "${pattern}" } }]
      route: [{ destination: { host: bystander } }]
`;
}
