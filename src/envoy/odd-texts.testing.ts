// Texts that something downstream may trip over, and documents with each of them in each place where a text stands.

export const oddTexts: readonly string[] = [
	..."* ** a *a a* *.a *.a.example a.* . .. / // /* ? # : ; , = & | ~ ^ $ @ + - _ ' \" ` < >".split(" "),
	..."% %% %%% 100% %a %a% %% %REQ% %REQ( %REQ() %REQ()% %REQ(a)% %REQ(a?b)% %REQ(a?b?c)% %REQ(a):b% %REQ(a):5%".split(
		" ",
	),
	..."%NOTHING% %PROTOCOL% %PROTOCOL:5% %PROTOCOL()% %PROTOCOL(a)% %START_TIME(%Y)% %START_TIME(%s.%3f)% %START_TIME%".split(
		" ",
	),
	...'%DYNAMIC_METADATA(a:b)% %DYNAMIC_METADATA() %DYNAMIC_METADATA% %DYNAMIC_METADATA(["a"])% %FILTER_STATE(a:X)%'.split(
		" ",
	),
	..."%ENVIRONMENT(HOME)% %CEL(a)% %CEL(request.path)% %QUERY_PARAM(a)% %UPSTREAM_METADATA(a)% %TRAILER(a)% %RESP(a)%".split(
		" ",
	),
	..."%REQ(a)%%REQ(b)% %%REQ(a)%% %REQ(a)%b% %hostname% %HOSTNAME% %DURATION% %RESPONSE_CODE% %EMIT_TIME(%J)%".split(
		" ",
	),
	..."( ) [ ] [] [a] [*] { } {a} /{a} /{a=*} \\ \\1 \\9 \\C \\x (?i) a|b ^a$ a+ a? \\Q \\E (a+)+ x{1,1000} [[:alpha:]]".split(
		" ",
	),
	..."10.0.0.1 10.0.0.0/8 10.0.0.0/33 ::1 ::/0 [::1] 0.0.0.0 80 0 65536 -1 1e3 0x50 1s 1.5s -1s 0s 1e9s true null".split(
		" ",
	),
	..."a:80 a.example:80 http https http://a https://a:1/b //a/b spiffe://a/ns/b/sa/c unix:///a file:///a".split(" "),
	..."GET get CONNECT Host host :authority :path :method x-a X_A x.a content-length transfer-encoding connection".split(
		" ",
	),
	..."kubernetes://a configmap://a file-cert:a:b builtin:// default ROOTCA sds://a a/b a/b/c ./a ./* */a */*".split(
		" ",
	),
	"",
	" ",
	" a ",
	"a b",
	"\t",
	"\n",
	"a\nb",
	"\r\n",
	"\0",
	"a\0b",
	"\u007f",
	"é",
	"日本",
	"é.example",
	"\u{1f600}",
	"\ud800",
	"\u0085",
	"\u200b",
	"constructor",
	"__proto__",
	"a".repeat(300),
	"a".repeat(20_000),
	`${"a.".repeat(150)}a`,
	"a/".repeat(500),
];

type Json = unknown;
type Path = readonly (string | number)[];

/** Where a text stands in a document, as a value or as a key. */
export function textPlaces(value: Json, path: Path = []): readonly { readonly path: Path; readonly isKey: boolean }[] {
	if (typeof value === "string") return [{ path, isKey: false }];
	if (Array.isArray(value)) return value.flatMap((item, index) => textPlaces(item, [...path, index]));
	if (typeof value !== "object" || value === null) return [];
	return Object.entries(value).flatMap(([key, inner]) => [
		...(isNamedByUser(path) ? [{ path: [...path, key], isKey: true }] : []),
		...textPlaces(inner, [...path, key]),
	]);
}

const mapFields = new Set(
	"set add headers withoutHeaders queryParams sourceLabels matchLabels labels selector to ports".split(" "),
);

function isNamedByUser(path: Path): boolean {
	const field = path.at(-1);
	// `headers` of a route holds `request` and `response`, that of a match holds names of headers.
	if (field === "headers" && !path.includes("match")) return false;
	return typeof field === "string" && mapFields.has(field);
}

export function withText(value: Json, place: { readonly path: Path; readonly isKey: boolean }, text: string): Json {
	const [step, ...rest] = place.path;
	if (step === undefined) return text;
	if (Array.isArray(value))
		return value.map((item, index) => (index === step ? withText(item, { ...place, path: rest }, text) : item));
	return Object.fromEntries(
		Object.entries(value as object).map(([key, inner]) => {
			if (key !== step) return [key, inner];
			if (rest.length === 0 && place.isKey) return [text, inner];
			return [key, withText(inner, { ...place, path: rest }, text)];
		}),
	);
}
