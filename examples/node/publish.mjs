// Tells two customers that their orders are on the way, waits until the job is done, and says what became of it.
//
//   node publish.mjs order-4711

import { connect, headers, JSONCodec } from "nats";

const id = process.argv[2];
if (!id) {
  console.error("usage: node publish.mjs ID");
  process.exit(2);
}
const json = JSONCodec();
const connection = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222", name: "orders" });
const jetstream = connection.jetstream();

const job = {
  id,
  campaign: "orders",
  message: { order: "on its way" },
  notification: { title: "Dear {{name|customer}}", body: "Your order {{order}} is on its way." },
  time_to_live: 3600, // news of yesterday is none
  recipients: [
    { id: "registration-of-ann", vars: { name: "Ann", order: 4711 } },
    { id: "gone-registration", vars: { order: 4712 } },
  ],
};

// submit publishes until the queue says that it has the job. To try again is harmless: the server knows the message id for two
// minutes, and workers know the job's id as long as events are kept.
async function submit(subject, msgID, body, deadline) {
  for (let wait = 100; ; wait = Math.min(2 * wait, 5000)) {
    const header = headers();
    header.set("Nats-Msg-Id", msgID);
    try {
      return await jetstream.publish(subject, body, { headers: header, timeout: 5000 });
    } catch (err) {
      if (err.code === "MAX_PAYLOAD_EXCEEDED" || Date.now() + wait > deadline) {
        throw err;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

// done reads the job's events until its last one, also if it was done long ago.
async function done(platform, app, job) {
  const consumer = await jetstream.consumers.get("PUSH_RESULTS", { filterSubjects: `push.results.${platform}.${app}.${job}.>` });
  const messages = await consumer.consume();
  for await (const message of messages) {
    const event = json.decode(message.data);
    for (const failed of [...event.failures, ...event.expired_tokens]) {
      console.log(`recipient ${failed.index}: ${failed.reason}, action ${failed.action}`);
    }
    if (event.done || event.kind === "job_done") {
      messages.stop();
      return event.totals;
    }
  }
}

const ack = await submit("push.gcm.high", `gcm.default.${id}`, json.encode(job), Date.now() + 60_000);
console.log(`stored as message ${ack.seq} of ${ack.stream}, duplicate: ${ack.duplicate}`);
const totals = await done("gcm", "default", id);
console.log(`sent ${totals.sent} of ${totals.recipients}`);
await connection.close();
