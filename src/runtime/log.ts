// One event, one line of JSON. Code takes a Log; only app/ makes one.

/** Facts first, then what happened in a few constant words, so that lines can be grouped by message. */
export interface Log {
	debug(facts: object, message: string): void;
	info(facts: object, message: string): void;
	warn(facts: object, message: string): void;
	error(facts: object, message: string): void;
}
