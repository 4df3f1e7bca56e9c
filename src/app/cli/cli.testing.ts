// For tests: the command line as it is typed, and texts to give it.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export const program = fileURLToPath(new URL("../../../bin/keepmesh.ts", import.meta.url));

export interface Outcome {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export function keepmesh(
	args: readonly string[],
	options: { stdin?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
	return new Promise((done) => {
		const env = { ...process.env, KEEPMESH_API: "", ...options.env };
		const spawnOptions = { env, timeout: 60_000 };
		const child = execFile(
			process.execPath,
			["--no-warnings", program, ...args],
			spawnOptions,
			(error, stdout, stderr) => {
				done({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
			},
		);
		child.stdin?.end(options.stdin ?? "");
	});
}

export const good =
	"apiVersion: v1\nkind: Service\nmetadata: {name: reviews}\nspec:\n  ports:\n  - {name: http, port: 9080}\n";
export const bad = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - timeout: soon
    route:
    - destination: {host: reviews}
      weight: 50
    - destination: {host: reviews}
      weigth: 60
`;
