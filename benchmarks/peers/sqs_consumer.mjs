// The peer in Node: sqs-consumer with 8 pollers, one INSERT of many rows a batch of ten, deleted by the library.
import { SQSClient } from "@aws-sdk/client-sqs";
import pg from "pg";
import { Consumer } from "sqs-consumer";

const total = Number(process.env.BENCH_MESSAGES);
const columns = process.env.BENCH_COLUMNS.split(",");
const fromMessage = { thing_name: (m) => m.thing_name, received_at: (m) => new Date(m.received_at_ms) };
const pool = new pg.Pool({ connectionString: process.env.BENCH_DATABASE, max: 8 });
const sqs = new SQSClient({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });
let messages = 0;

async function store(batch) {
  const values = [];
  const rows = [];
  for (const { Body } of batch) {
    const message = JSON.parse(Body);
    for (const sample of message.samples) {
      const at = values.length;
      for (const name of columns) values.push(name in fromMessage ? fromMessage[name](message) : sample[name]);
      rows.push(`(${columns.map((_, n) => `$${at + n + 1}`).join(",")})`);
    }
  }
  await pool.query(
    `INSERT INTO fleet.telemetry (${columns.join(",")}) VALUES ${rows.join(",")} ON CONFLICT DO NOTHING`, values);
  return batch;
}

await pool.query("SELECT 1");
const before = process.cpuUsage();
const consumers = Array.from({ length: 8 }, () => Consumer.create({
  queueUrl: process.env.BENCH_QUEUE_URL, sqs, batchSize: 10, waitTimeSeconds: 1, pollingWaitTimeMs: 0,
  handleMessageBatch: store,
}));
for (const consumer of consumers) {
  consumer.on("error", (error) => { console.error(error); process.exit(1); });
  consumer.on("processing_error", (error) => { console.error(error); process.exit(1); });
  consumer.on("response_processed", () => {});
  consumer.on("message_processed", () => {
    if (++messages === total) finish();
  });
  consumer.start();
}

function finish() {
  // The last deletes are under way: a moment for them, then what it took.
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ cpu_s: (user + system) / 1e6 }));
    process.exit(0);
  }, 200);
}
