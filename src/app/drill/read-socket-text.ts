// The text that an HTTP server on a Unix socket answers with; rejects on anything but 200.

import { request } from "node:http";

export function readSocketText(socketPath: string, path: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ socketPath, path, timeout: 5_000 }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (part: string) => {
				text += part;
			});
			response.on("error", reject);
			response.on("end", () => {
				if (response.statusCode === 200) resolve(text);
				else reject(new Error(`${path} answers ${response.statusCode}: ${text.slice(0, 200)}`));
			});
		});
		outgoing.on("error", reject);
		outgoing.on("timeout", () => outgoing.destroy(new Error(`${path}: no answer`)));
		outgoing.end();
	});
}
