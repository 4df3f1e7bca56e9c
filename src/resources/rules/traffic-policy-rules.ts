// How clients treat a service: load balancing, connection pools, outlier detection, TLS. For a rule, a subset or one port.

import type { Findings, Path } from "../findings.ts";
import type {
	ClientTls,
	ConnectionPool,
	LoadBalancer,
	OutlierDetection,
	PortTrafficPolicy,
	TrafficPolicy,
} from "../kinds/networking.ts";
import { checkHeaderText } from "./header-rules.ts";
import { checkLocality } from "./locality-rules.ts";

const portFields = ["loadBalancer", "connectionPool", "outlierDetection", "tls"] as const;
const ruleFields = [...portFields, "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget"] as const;

export function checkTrafficPolicy(policy: TrafficPolicy | undefined, path: Path, findings: Findings): void {
	if (!policy) return;
	if (ruleFields.every((field) => policy[field] === undefined))
		findings.error(path, "is empty", `add one of ${ruleFields.join(", ")}`);
	if (policy.tunnel && policy.proxyProtocol)
		findings.error(path, "tunnel and proxyProtocol exclude each other", "keep one of them");
	checkPortPolicy(policy, path, findings);
	const seen = new Set<number>();
	for (const [index, settings] of (policy.portLevelSettings ?? []).entries()) {
		const at = [...path, "portLevelSettings", index];
		const number = settings.port?.number;
		if (number === undefined) findings.error([...at, "port"], "the port is missing", "add port: { number: ... }");
		else if (seen.has(number))
			findings.warning(at, `port ${number} has settings twice: the first ones count`, "put them together");
		seen.add(number ?? 0);
		if (portFields.every((field) => settings[field] === undefined))
			findings.error(at, "has no settings", `add one of ${portFields.join(", ")}`);
		checkPortPolicy(settings, at, findings);
	}
}

function checkPortPolicy(policy: PortTrafficPolicy, path: Path, findings: Findings): void {
	checkOutlierDetection(policy.outlierDetection, [...path, "outlierDetection"], findings);
	checkConnectionPool(policy.connectionPool, [...path, "connectionPool"], findings);
	checkLoadBalancer(policy.loadBalancer, policy.outlierDetection !== undefined, [...path, "loadBalancer"], findings);
	checkClientTls(policy.tls, [...path, "tls"], findings);
}

function checkOutlierDetection(outlier: OutlierDetection | undefined, path: Path, findings: Findings): void {
	if (!outlier) return;
	if (outlier.consecutiveErrors)
		findings.warning(
			[...path, "consecutiveErrors"],
			"consecutiveErrors is deprecated",
			"use consecutiveGatewayErrors or consecutive5xxErrors",
		);
	if (!outlier.splitExternalLocalOriginErrors && (outlier.consecutiveLocalOriginFailures ?? 0) > 0)
		findings.error(
			[...path, "consecutiveLocalOriginFailures"],
			"counts nothing unless local failures are counted apart",
			"add splitExternalLocalOriginErrors: true",
		);
}

export function checkConnectionPool(pool: ConnectionPool | undefined, path: Path, findings: Findings): void {
	if (!pool) return;
	if (!pool.http && !pool.tcp) findings.error(path, "is empty", "add http or tcp");
	if (pool.http?.h2UpgradePolicy === "UPGRADE" && pool.http.useClientProtocol)
		findings.error(
			[...path, "http"],
			"h2UpgradePolicy: UPGRADE and useClientProtocol exclude each other",
			"keep one of them",
		);
}

function checkLoadBalancer(
	balancer: LoadBalancer | undefined,
	hasOutlierDetection: boolean,
	path: Path,
	findings: Findings,
): void {
	if (!balancer) return;
	if (balancer.simple !== undefined && balancer.consistentHash)
		findings.error(path, "simple and consistentHash exclude each other", "keep one of them");
	if (balancer.warmup && balancer.warmupDurationSecs !== undefined)
		findings.error(path, "warmup and warmupDurationSecs exclude each other", "keep warmup");
	else if (balancer.warmupDurationSecs !== undefined)
		findings.warning(
			[...path, "warmupDurationSecs"],
			"warmupDurationSecs is deprecated",
			"use warmup: { duration: ... }",
		);
	checkConsistentHash(balancer.consistentHash, [...path, "consistentHash"], findings);
	checkLocality(balancer.localityLbSetting, hasOutlierDetection, [...path, "localityLbSetting"], findings);
}

const hashKeys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"] as const;

function checkConsistentHash(hash: LoadBalancer["consistentHash"], path: Path, findings: Findings): void {
	if (!hash) return;
	const keys = hashKeys.filter((key) => hash[key] !== undefined);
	if (keys.length > 1) findings.error(path, `${keys.join(" and ")} exclude each other`, "keep one of them");
	if (keys.length === 0)
		findings.warning(
			path,
			"has nothing to hash by: requests are spread at random",
			`add one of ${hashKeys.join(", ")}`,
		);
	checkHeaderText(hash.httpHeaderName, [...path, "httpHeaderName"], findings);
	checkHeaderText(hash.httpQueryParameterName, [...path, "httpQueryParameterName"], findings);
	checkCookie(hash.httpCookie, [...path, "httpCookie"], findings);
	if (hash.ringHash && hash.maglev) findings.error(path, "ringHash and maglev exclude each other", "keep one of them");
	if (hash.minimumRingSize && (hash.ringHash || hash.maglev))
		findings.error(
			[...path, "minimumRingSize"],
			"minimumRingSize and ringHash or maglev exclude each other",
			"move it into ringHash",
		);
	else if (hash.minimumRingSize)
		findings.warning(
			[...path, "minimumRingSize"],
			"minimumRingSize is deprecated here",
			`write ringHash: { minimumRingSize: ${hash.minimumRingSize} }`,
		);
	const size = hash.maglev?.tableSize;
	if (hash.maglev && (size === undefined || size === 0 || size >= 5000011 || !isPrime(size)))
		findings.error(
			[...path, "maglev", "tableSize"],
			`must be a prime number under 5000011, found ${size ?? "nothing"}`,
			"for example 65537",
		);
}

function checkCookie(
	cookie: NonNullable<LoadBalancer["consistentHash"]>["httpCookie"],
	path: Path,
	findings: Findings,
): void {
	if (!cookie) return;
	if (cookie.name === "") findings.error([...path, "name"], "the name of the cookie is empty", "name the cookie");
	checkHeaderText(cookie.name, [...path, "name"], findings);
	checkHeaderText(cookie.path, [...path, "path"], findings);
	for (const [index, attribute] of (cookie.attributes ?? []).entries()) {
		const at = [...path, "attributes", index];
		if (!attribute.name) findings.error([...at, "name"], "the name of the attribute is empty", "name the attribute");
		checkHeaderText(attribute.name, [...at, "name"], findings);
		checkHeaderText(attribute.value, [...at, "value"], findings);
	}
}

function isPrime(value: number): boolean {
	if (value < 4) return value > 1;
	if (value % 2 === 0) return false;
	for (let factor = 3; factor * factor <= value; factor += 2) if (value % factor === 0) return false;
	return true;
}

function checkClientTls(tls: ClientTls | undefined, path: Path, findings: Findings): void {
	if (!tls) return;
	const { mode } = tls;
	if (checkHeaderText(tls.sni, [...path, "sni"], findings) && (tls.sni?.length ?? 0) > 255)
		findings.error([...path, "sni"], "is longer than the 255 bytes that Envoy takes", "name one host");
	for (const [index, name] of (tls.subjectAltNames ?? []).entries())
		checkHeaderText(name, [...path, "subjectAltNames", index], findings);
	const files = (["clientCertificate", "privateKey", "caCertificates", "caCrl"] as const).filter((field) => tls[field]);
	if (tls.insecureSkipVerify && (mode === "SIMPLE" || mode === "MUTUAL")) {
		const useless = [
			...(tls.caCertificates ? ["caCertificates"] : []),
			...(tls.credentialName && mode === "SIMPLE" ? ["credentialName"] : []),
			...(tls.subjectAltNames ? ["subjectAltNames"] : []),
		];
		if (useless.length > 0)
			findings.error(
				path,
				`insecureSkipVerify and ${useless.join(", ")} exclude each other`,
				"keep the check: remove insecureSkipVerify",
			);
	}
	if ((mode === "SIMPLE" || mode === "MUTUAL") && tls.credentialName) {
		if (files.length > 0)
			findings.error(path, `credentialName and ${files.join(", ")} exclude each other`, "keep credentialName");
		return;
	}
	if (mode === "MUTUAL")
		for (const field of ["clientCertificate", "privateKey"] as const)
			if (!tls[field])
				findings.error([...path, field], `mode MUTUAL needs ${field}`, `add ${field}, or credentialName`);
	if (mode === "ISTIO_MUTUAL" && files.length > 0)
		findings.error(
			path,
			`mode ISTIO_MUTUAL uses the mesh's own certificates, not ${files.join(", ")}`,
			"remove them, or use mode MUTUAL",
		);
}
