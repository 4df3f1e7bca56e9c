// Program: the world outside the mesh, for a test. On the address of its argument it answers one name (the second argument) by
// DNS and speaks TLS on 443, with a certificate that nobody trusts. Prints `ready`, then for each TLS
// client `sni NAME` and, when it does not trust the certificate, `refused CODE`.

import { createServer } from "node:tls";
import { indexNames } from "../../src/node/dns/name-index.ts";
import { startDnsServer } from "../../src/node/dns-wire/dns-server.ts";
import { selfSigned } from "./self-signed.ts";

const [address = "127.0.0.1", name = "example.com"] = process.argv.slice(2);
const index = indexNames({ names: { [name]: [address] } });
await startDnsServer({ listen: { address, port: 53 }, domain: "nowhere", upstreams: [], index: () => index });
const { certificate, key } = selfSigned(name);
const server = createServer({
	cert: certificate,
	key,
	SNICallback: (servername, done) => {
		console.log(`sni ${servername}`);
		done(null);
	},
});
server.on("tlsClientError", (error: NodeJS.ErrnoException) => console.log(`refused ${error.code}`));
server.listen(443, address, () => console.log("ready"));
