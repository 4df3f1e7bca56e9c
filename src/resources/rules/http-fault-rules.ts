// Injected faults, and the share of requests that get them.

import type { Findings, Path } from "../findings.ts";
import type { HttpFault, Percent } from "../kinds/networking.ts";
import { nearestName } from "../text/nearest-name.ts";

const grpcStatuses = [
	...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
	...["PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"],
	...["UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"],
];

export function checkFault(fault: HttpFault | undefined, path: Path, findings: Findings): void {
	if (!fault) return;
	if (!fault.abort && !fault.delay)
		findings.error(path, "has neither abort nor delay", "add one of them, or remove fault");
	if (fault.abort) checkAbort(fault.abort, [...path, "abort"], findings);
	if (fault.delay) checkDelay(fault.delay, [...path, "delay"], findings);
}

function checkAbort(abort: NonNullable<HttpFault["abort"]>, path: Path, findings: Findings): void {
	checkShare(abort.percentage, path, findings);
	const given = (["httpStatus", "grpcStatus", "http2Error"] as const).filter((key) => abort[key] !== undefined);
	if (given.length > 1) findings.error(path, `${given.join(" and ")} exclude each other`, "keep one of them");
	if (given.length === 0) findings.warning(path, "does nothing: no status is given", "add httpStatus or grpcStatus");
	if (abort.http2Error !== undefined)
		findings.error([...path, "http2Error"], "HTTP/2 errors cannot be injected", "use httpStatus or grpcStatus");
	const { grpcStatus } = abort;
	if (grpcStatus !== undefined && !grpcStatuses.includes(grpcStatus)) {
		const near = nearestName(grpcStatus, grpcStatuses);
		findings.error(
			[...path, "grpcStatus"],
			`${JSON.stringify(grpcStatus)} is not a gRPC status`,
			near ? `did you mean ${near}?` : "for example NOT_FOUND",
		);
	}
}

function checkDelay(delay: NonNullable<HttpFault["delay"]>, path: Path, findings: Findings): void {
	checkShare(delay.percentage, path, findings);
	if (delay.exponentialDelay !== undefined)
		findings.error([...path, "exponentialDelay"], "exponential delays are not supported", "use fixedDelay");
	else if (delay.fixedDelay === undefined) findings.error(path, "does nothing: no delay is given", "add fixedDelay");
	if (delay.percent !== undefined)
		findings.warning([...path, "percent"], "percent is deprecated", `write percentage: { value: ${delay.percent} }`);
}

/** Envoy counts in millionths. */
function checkShare(share: Percent | undefined, path: Path, findings: Findings): void {
	const value = share?.value ?? 0;
	if (value > 0 && value < 0.0001)
		findings.error([...path, "percentage", "value"], `${value} is too small`, "use 0, or a number from 0.0001 to 100");
}
