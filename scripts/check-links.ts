// Holds the documents to what there is: every relative link, and every path of the repository in backticks, leads to a file or
// folder. Prints each breach as file:line; exits 1 if there is one.

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** `[text](target)`, without what is elsewhere. */
const link = /\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g;
/** A path from the root of the repository; with wildcards, or a placeholder in capitals, it names no file. */
const path = /`((?:bench|bin|deploy|docs|samples|scripts|src|test)\/[\w./-]+)`/g;

const breaches: string[] = [];
for (const document of globSync("{*.md,{bench,deploy,docs,samples,src,test}/**/*.md}").sort())
	readFileSync(document, "utf8")
		.split("\n")
		.forEach((line, index) => {
			const linked = [...line.matchAll(link)].map(([, target = ""]) => normalize(join(dirname(document), target)));
			const named = [...line.matchAll(path)].map(([, target = ""]) => target);
			for (const target of [...linked, ...named])
				if (!existsSync(target)) breaches.push(`${document}:${index + 1}: there is no ${target}`);
		});
for (const breach of breaches) console.error(breach);
if (breaches.length > 0) process.exit(1);
console.log("links: clean");
