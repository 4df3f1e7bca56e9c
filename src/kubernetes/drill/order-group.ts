// Orders of one kind that a drill's program in a pod obeys: what each of them does, by its name.

export interface NamedOrder {
	readonly order: string;
}

/** One handler for each order of the union; what it resolves with is the answer, as JSON. */
export type OrderGroup<Order extends NamedOrder> = {
	readonly [Name in Order["order"]]: (order: Extract<Order, { readonly order: Name }>) => Promise<object> | object;
};
