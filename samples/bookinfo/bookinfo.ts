// The sample application: one program, one service for each process. Usage: node bookinfo.ts productpage|details|reviews|
// ratings|helloworld|httpbin|mysql|redis. Port by PORT; SERVICE_VERSION says which version it plays.

import { serve } from "./serve.ts";

const role = process.argv[2] ?? "";
switch (role) {
	case "productpage":
		serve((await import("./productpage.ts")).productPageRoutes);
		break;
	case "details":
		serve((await import("./details.ts")).detailsRoutes);
		break;
	case "reviews":
		serve((await import("./reviews.ts")).reviewsRoutes);
		break;
	case "ratings":
		serve((await import("./ratings.ts")).ratingsRoutes);
		break;
	case "helloworld":
		serve((await import("./hello.ts")).helloRoutes, Number(process.env.PORT ?? 5000));
		break;
	case "httpbin":
		serve((await import("./hello.ts")).httpbinRoutes, Number(process.env.PORT ?? 8080));
		break;
	case "mysql":
		(await import("./talk-first.ts")).serveGreeting();
		break;
	case "redis":
		(await import("./talk-first.ts")).serveRedis();
		break;
	default:
		console.error(`there is no service ${JSON.stringify(role)} in this sample`);
		process.exit(64);
}
