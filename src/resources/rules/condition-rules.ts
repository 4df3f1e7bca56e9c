// `when` of an AuthorizationPolicy: conditions on attributes of the request or connection.
// https://istio.io/latest/docs/reference/config/security/conditions/

import type { Findings, Path } from "../findings.ts";
import type { AuthorizationCondition } from "../kinds/security.ts";
import { nearestName } from "../text/nearest-name.ts";
import { checkAddressRanges, checkNoneEmpty, checkPorts, checkServiceAccounts } from "./policy-value-rules.ts";

type CheckValues = (values: readonly string[], path: Path, findings: Findings) => void;

/** Keys that stand alone, with the check of their values. */
const plainKeys: Readonly<Record<string, CheckValues>> = {
	"source.ip": checkAddressRanges,
	"remote.ip": checkAddressRanges,
	"source.namespace": checkNoneEmpty,
	"source.principal": checkNoneEmpty,
	"source.serviceAccount": checkServiceAccounts,
	"source.trustDomain": checkNoneEmpty,
	"request.auth.principal": checkNoneEmpty,
	"request.auth.audiences": checkNoneEmpty,
	"request.auth.presenter": checkNoneEmpty,
	"destination.ip": checkAddressRanges,
	"destination.port": checkPorts,
	"connection.sni": checkNoneEmpty,
};

/** Keys that name an entry in brackets. */
const mapKeys = ["request.headers", "request.auth.claims"];
const filterKeys = "experimental.envoy.filters.";

/** Keys of older versions of Istio, and what says the same now. */
const formerKeys: readonly (readonly [key: string, instead: string])[] = [
	["destination.namespace", "put the policy into that namespace"],
	["destination.labels", "use spec.selector"],
	["destination.name", "use spec.selector"],
	["destination.user", "use spec.selector"],
];

export function checkCondition(condition: AuthorizationCondition, path: Path, findings: Findings): void {
	const { key, values = [], notValues = [] } = condition;
	const checkValues = checkKey(key, [...path, "key"], findings);
	if (values.length + notValues.length === 0)
		findings.error(path, `${key || "the condition"} has no values`, "add values or notValues with at least one entry");
	if (!checkValues) return;
	checkValues(values, [...path, "values"], findings);
	checkValues(notValues, [...path, "notValues"], findings);
}

/** Only requests have it: a port that proxies bytes knows nothing of it. */
export function isHttpKey(key: string): boolean {
	return key.startsWith("request.");
}

function checkKey(key: string, path: Path, findings: Findings): CheckValues | undefined {
	if (key === "") {
		findings.error(path, "the key is empty", `the keys are ${keyNames().join(", ")}`);
		return undefined;
	}
	if (Object.hasOwn(plainKeys, key)) return plainKeys[key];
	const bracket = key.indexOf("[");
	const name = bracket < 0 ? key : key.slice(0, bracket);
	if (mapKeys.includes(name) || name.startsWith(filterKeys)) {
		if (/^[^[\]]+(?:\[[^[\]]+\])+$/.test(key)) return checkNoneEmpty;
		findings.error(path, `${JSON.stringify(key)} does not name one entry`, `write ${name}[NAME]`);
		return undefined;
	}
	const former = formerKeys.find(([formerKey]) => formerKey === name);
	if (former) findings.error(path, `${key} is not a key any more`, former[1]);
	else {
		const near = nearestName(name, [...Object.keys(plainKeys), ...mapKeys]);
		const hint = near ? `did you mean ${mapKeys.includes(near) ? `${near}[NAME]` : near}?` : undefined;
		findings.error(path, `there is no key ${JSON.stringify(key)}`, hint ?? `the keys are ${keyNames().join(", ")}`);
	}
	return undefined;
}

function keyNames(): readonly string[] {
	return [...Object.keys(plainKeys), ...mapKeys.map((key) => `${key}[NAME]`)].sort();
}
