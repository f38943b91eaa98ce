// A local SQS on loopback: `node endpoint.mjs PORT`. The package's own command would listen on every interface.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false });
await app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
