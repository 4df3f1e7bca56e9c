// npm run image -- FILE.tar [NAME]: the image of this checkout as an archive that docker load and ctr images import take, made without
// Docker, from what is on this machine.

import { existsSync } from "node:fs";
import { writeDockerArchive } from "../cluster/images/docker-archive.ts";
import { keepmeshImage } from "../cluster/images/image-names.ts";
import { readLayers } from "../cluster/images/image-recipes.ts";
import { keepmeshRecipe } from "../cluster/images/keepmesh-image.ts";
import { imageSources } from "../cluster/set-up.ts";

const [file, name = keepmeshImage] = process.argv.slice(2);
if (file === undefined) {
	console.error("image: say which file to write\nnext: npm run image -- keepmesh.tar REGISTRY/keepmesh:TAG");
	process.exit(64);
}
if (!existsSync(imageSources.envoy)) {
	console.error("image: the checkout is not set up\nnext: npm run setup");
	process.exit(69);
}
writeDockerArchive(file, { ...keepmeshRecipe(imageSources, readLayers(imageSources)), name });
console.error(`${name} is in ${file}`);
