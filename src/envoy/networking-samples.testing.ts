// Resources of the networking kinds for tests that put odd texts into each of their fields.

const to = (k: number) => ({ destination: { host: `h${k}.example.com`, subset: "v1" } });
/** By kind, specs that between them use every field that holds a text; of the host `hK.example.com`, where they are for one. */
export const networkingSamples: Readonly<Record<string, (k: number) => readonly object[]>> = {
	VirtualService: (k) => {
		const hosts = [`h${k}.example.com`];
		const headers = {
			request: { set: { "x-a": "1" }, add: { "x-b": "1" }, remove: ["x-c"] },
			response: { set: { "x-a": "1" }, add: { "x-b": "1" }, remove: ["x-c"] },
		};
		return [
			{
				hosts,
				http: [
					{
						name: "r",
						match: [
							{
								name: "m",
								uri: { exact: "/a" },
								scheme: { exact: "http" },
								method: { prefix: "G" },
								authority: { regex: "a.*" },
								headers: { "x-a": { exact: "1" }, "x-b": { prefix: "1" }, "x-c": { regex: "1" } },
								withoutHeaders: { "x-d": { exact: "1" } },
								queryParams: { a: { exact: "1" }, b: { regex: "1" }, c: { prefix: "1" } },
								statPrefix: "s",
							},
							{ uri: { prefix: "/b" } },
							{ uri: { regex: "/c.*" } },
						],
						route: [to(k)],
						headers,
					},
				],
			},
			{
				hosts,
				http: [
					{
						route: [
							{ ...to(k), weight: 1, headers },
							{ ...to(k), weight: 1 },
						],
						mirrors: [{ destination: to(k).destination }],
						retries: { attempts: 1, perTryTimeout: "1s", retryOn: "5xx", backoff: "1s" },
						timeout: "1s",
						rewrite: { uri: "/x", authority: "a" },
					},
					{
						match: [{ uri: { prefix: "/y" } }],
						route: [to(k)],
						rewrite: { uriRegexRewrite: { match: "/(.*)", rewrite: "/\\1" } },
						fault: {
							delay: { fixedDelay: "1s", percentage: { value: 1 } },
							abort: { grpcStatus: "INTERNAL", percentage: { value: 1 } },
						},
					},
				],
			},
			{
				hosts,
				http: [
					{ redirect: { uri: "/x", authority: "a", scheme: "https" }, headers },
					{ match: [{ uri: { prefix: "/z" } }], directResponse: { status: 200, body: { string: "x" } }, headers },
					{ match: [{ uri: { prefix: "/w" } }], directResponse: { status: 200, body: { bytes: "eA==" } } },
				],
			},
			{
				hosts,
				http: [
					{
						route: [to(k)],
						corsPolicy: {
							allowOrigins: [{ exact: "a" }, { prefix: "b" }, { regex: "c" }],
							allowMethods: ["GET"],
							allowHeaders: ["x-a"],
							exposeHeaders: ["x-b"],
							maxAge: "1s",
						},
					},
				],
			},
			{ hosts, tls: [{ match: [{ port: 443, sniHosts: [`h${k}.example.com`] }], route: [to(k)] }] },
			{ hosts, http: [{ route: [{ ...to(k) }], headers: { request: { set: { ":authority": "a" } } } }] },
		];
	},
	DestinationRule: (k) => {
		const host = `h${k}.example.com`;
		return [
			{
				host,
				trafficPolicy: {
					loadBalancer: { consistentHash: { httpHeaderName: "x-a" } },
					tls: {
						mode: "MUTUAL",
						clientCertificate: "/a",
						privateKey: "/b",
						caCertificates: "/c",
						subjectAltNames: ["a"],
						sni: "a",
					},
				},
				subsets: [{ name: "v1", labels: { a: "b" } }],
			},
			{
				host,
				trafficPolicy: {
					loadBalancer: {
						consistentHash: {
							httpCookie: { name: "a", path: "/", ttl: "1s", attributes: [{ name: "a", value: "b" }] },
						},
					},
					tls: { mode: "SIMPLE", credentialName: "a", sni: "a" },
				},
			},
			{
				host,
				trafficPolicy: {
					loadBalancer: { consistentHash: { httpQueryParameterName: "a" } },
					tls: { mode: "SIMPLE", subjectAltNames: ["a"], caCertificates: "/a" },
					connectionPool: {
						tcp: {
							connectTimeout: "1s",
							maxConnectionDuration: "1s",
							idleTimeout: "1s",
							tcpKeepalive: { time: "1s", interval: "1s" },
						},
						http: { idleTimeout: "1s" },
					},
					outlierDetection: { interval: "1s", baseEjectionTime: "1s" },
				},
			},
			{
				host,
				trafficPolicy: {
					loadBalancer: {
						simple: "ROUND_ROBIN",
						warmup: { duration: "1s" },
						localityLbSetting: { distribute: [{ from: "a/b", to: { "a/b": 50, "c/*": 50 } }] },
					},
					portLevelSettings: [
						{ port: { number: 443 }, tls: { mode: "ISTIO_MUTUAL", sni: "a", subjectAltNames: ["b"] } },
					],
				},
			},
			{
				host,
				trafficPolicy: {
					loadBalancer: { localityLbSetting: { failover: [{ from: "a", to: "b" }], failoverPriority: ["a", "b=c"] } },
					outlierDetection: { consecutive5xxErrors: 1 },
				},
			},
		];
	},
	Gateway: (k) => {
		const selector = { istio: "ingress" };
		const p = 2000 + (k % 50000);
		return [
			{
				selector,
				servers: [
					{
						name: "a",
						port: { number: p, name: "http", protocol: "HTTP" },
						hosts: ["a.example"],
						bind: "10.0.0.1",
						defaultEndpoint: "127.0.0.1:1",
					},
				],
			},
			{
				selector,
				servers: [
					{
						port: { number: p, name: "https", protocol: "HTTPS" },
						hosts: ["a.example"],
						tls: {
							mode: "MUTUAL",
							credentialName: "c",
							subjectAltNames: ["a"],
							minProtocolVersion: "TLSV1_2",
							cipherSuites: ["ECDHE-RSA-AES128-GCM-SHA256"],
							verifyCertificateSpki: ["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="],
							verifyCertificateHash: ["DF6FF72FE9116521268F6F2DD4966F51DF479883FE7037B39F75916AC3049D1A"],
						},
					},
				],
			},
			{
				selector,
				servers: [
					{
						port: { number: p, name: "https", protocol: "HTTPS" },
						hosts: ["a.example"],
						tls: { mode: "MUTUAL", serverCertificate: "/a", privateKey: "/b", caCertificates: "/c", caCrl: "/d" },
					},
				],
			},
			{
				selector,
				servers: [
					{ port: { number: p, name: "tls", protocol: "TLS" }, hosts: ["a.example"], tls: { mode: "PASSTHROUGH" } },
				],
			},
		];
	},
	ServiceEntry: (k) => {
		const hosts = [`s${k}.example.com`];
		return [
			{
				hosts,
				addresses: ["10.1.0.1"],
				ports: [
					{ number: 80, name: "http", protocol: "HTTP" },
					{ number: 443, name: "tls", protocol: "TLS" },
				],
				resolution: "DNS",
				endpoints: [
					{
						address: "a.example",
						labels: { a: "b" },
						network: "n",
						locality: "a/b/c",
						serviceAccount: "x",
						ports: { http: 81 },
					},
				],
				subjectAltNames: ["a"],
			},
			{
				hosts,
				ports: [{ number: 80, name: "http", protocol: "HTTP" }],
				resolution: "STATIC",
				location: "MESH_INTERNAL",
				endpoints: [{ address: "10.2.0.1", labels: { a: "b" }, network: "n", locality: "a/b/c", serviceAccount: "x" }],
				subjectAltNames: ["a"],
			},
			{ hosts, ports: [{ number: 80, name: "http", protocol: "HTTP" }], resolution: "NONE" },
			{
				hosts: [`*.s${k}.example.com`],
				ports: [{ number: 80, name: "http", protocol: "HTTP" }],
				resolution: "DYNAMIC_DNS",
			},
		];
	},
};
