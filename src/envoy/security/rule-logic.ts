// Clauses of a rule -> one condition of Envoy's RBAC, which has two sorts of them: permissions (what is asked for) and
// principals (who asks). What a clause cannot say is read so that it never opens a door: a grant that has such a clause is
// void, a refusal drops the clause and so refuses more (Istio's behaviour).

/** Envoy refuses expressions of more than 32,768 steps. No name comes near, and a path of that length is refused anyway. */
const maxTextLength = 4096;

/** How conditions of one sort are put together. */
export interface Logic<Condition> {
	readonly any: Condition;
	readonly all: (of: readonly Condition[]) => Condition;
	readonly oneOf: (of: readonly Condition[]) => Condition;
	readonly not: (condition: Condition) => Condition;
}

/**
 * Where a value can be matched closer or wider: `narrow` matches only what is surely meant, `wide` all that the application
 * might take for it. What opens is narrow, what closes is wide.
 */
export type Reach = "narrow" | "wide";

export interface Attribute<Condition> {
	/** Connections without HTTP do not have it. */
	readonly httpOnly?: true;
	/** Undefined: no such value can be. */
	readonly match: (value: string, reach: Reach) => Condition | undefined;
}

export interface Clause<Condition> {
	readonly attribute: Attribute<Condition>;
	readonly values: readonly string[];
	readonly notValues: readonly string[];
}

export interface RuleMeaning {
	/** `grant`: ALLOW. `refuse`: DENY, and what else must rather meet too much than too little (CUSTOM, AUDIT). */
	readonly effect: "grant" | "refuse";
	readonly protocol: "http" | "tcp";
}

/** All clauses must hold. Undefined: a grant that must not be made. */
export function allClauses<Condition>(
	logic: Logic<Condition>,
	clauses: readonly Clause<Condition>[],
	meaning: RuleMeaning,
): Condition | undefined {
	const grant = meaning.effect === "grant";
	const wanted: Condition[] = [];
	for (const { attribute, values, notValues } of clauses) {
		if (values.length === 0 && notValues.length === 0) continue;
		if (attribute.httpOnly && meaning.protocol === "tcp") {
			if (grant) return undefined;
			continue;
		}
		const good = matches(attribute, values, grant ? "narrow" : "wide");
		const bad = matches(attribute, notValues, grant ? "wide" : "narrow");
		if (grant && good.length + bad.length < values.length + notValues.length) return undefined;
		if (good.length > 0) wanted.push(logic.oneOf(good));
		if (bad.length > 0) wanted.push(logic.not(logic.oneOf(bad)));
	}
	return logic.all(wanted.length > 0 ? wanted : [logic.any]);
}

function matches<Condition>(
	attribute: Attribute<Condition>,
	values: readonly string[],
	reach: Reach,
): readonly Condition[] {
	return values.flatMap((value) => (value.length > maxTextLength ? [] : (attribute.match(value, reach) ?? [])));
}
