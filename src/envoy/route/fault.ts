// VirtualService fault -> configuration of the fault filter for one route.

import type { HttpFault, Percent } from "../../resources/kinds/networking.ts";
import { durationFromText } from "../duration.ts";
import type { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { FractionalPercent_DenominatorType, type FractionalPercentSchema } from "../gen/envoy/type/v3/percent_pb.ts";
import type { MessageFields } from "../message-fields.ts";

type FaultFields = MessageFields<typeof HTTPFaultSchema>;

/** Undefined when nothing of the fault is supported. */
export function httpFault(fault: HttpFault): FaultFields | undefined {
	const delay = delayOf(fault.delay);
	const abort = abortOf(fault.abort);
	return delay || abort ? { ...(delay && { delay }), ...(abort && { abort }) } : undefined;
}

function delayOf(delay: HttpFault["delay"]): FaultFields["delay"] {
	const fixedDelay = durationFromText(delay?.fixedDelay);
	if (delay === undefined || fixedDelay === undefined) return undefined;
	return {
		faultDelaySecifier: { case: "fixedDelay", value: fixedDelay },
		percentage: delay.percentage ? fractionOfPercent(delay.percentage) : wholePercent(delay.percent ?? 0),
	};
}

function abortOf(abort: HttpFault["abort"]): FaultFields["abort"] {
	const errorType = abortError(abort);
	if (errorType === undefined) return undefined;
	return { errorType, ...(abort?.percentage && { percentage: fractionOfPercent(abort.percentage) }) };
}

function abortError(abort: HttpFault["abort"]): NonNullable<FaultFields["abort"]>["errorType"] {
	if (abort?.httpStatus !== undefined) return { case: "httpStatus", value: abort.httpStatus };
	const code = grpcCodes.indexOf(abort?.grpcStatus ?? "");
	return code === -1 ? undefined : { case: "grpcStatus", value: code };
}

/** Status names by code: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const grpcCodes: readonly string[] = [
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
];

/** Percentages down to a ten-thousandth: 0.0001 %. */
export function fractionOfPercent({ value = 0 }: Percent): MessageFields<typeof FractionalPercentSchema> {
	return { numerator: Math.round(value * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}

export function wholePercent(percent: number): MessageFields<typeof FractionalPercentSchema> {
	return { numerator: percent, denominator: FractionalPercent_DenominatorType.HUNDRED };
}
